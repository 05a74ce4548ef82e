import { Component, type ReactNode } from "react";

import { ProblemAlert } from "./ProblemAlert";

/** Keeps a page that broke from taking the rest of the console with it. */
export class Fallen extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return <ProblemAlert error={this.state.error} retry={() => this.setState({ error: null })} />;
  }
}

import type { ReactNode } from "react";

import classes from "./Panel.module.css";

interface Props {
  title?: string;
  aside?: ReactNode;
  /** Tables reach to the edges. */
  flush?: boolean;
  children: ReactNode;
}

/** A framed part of a page. */
export function Panel({ title, aside, flush = false, children }: Props) {
  return (
    <section className={classes.panel} aria-label={title}>
      {title && (
        <div className={classes.head}>
          <h2 className={classes.title}>{title}</h2>
          {aside}
        </div>
      )}
      <div className={flush ? classes.flush : classes.body}>{children}</div>
    </section>
  );
}

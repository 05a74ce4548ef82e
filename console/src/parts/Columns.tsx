import type { ReactNode } from "react";

import classes from "./Columns.module.css";

/** As many columns as fit side by side. */
export function Columns({ children }: { children: ReactNode }) {
  return <div className={classes.columns}>{children}</div>;
}

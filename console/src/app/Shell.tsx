import { useEffect, type ReactNode } from "react";
import { NavLink, useLocation } from "react-router";

import type { Caller } from "../api/types";
import { Fallen } from "../parts/Fallen";
import { Icon, type IconName } from "../parts/Icon";
import { AccountMenu } from "./AccountMenu";
import { DevelopmentBanner } from "./DevelopmentBanner";
import classes from "./Shell.module.css";

const links: { to: string; text: string; icon: IconName }[] = [
  { to: "/devices", text: "Devices", icon: "device" },
  { to: "/models", text: "Models", icon: "model" },
  { to: "/compressions", text: "Compressions", icon: "compression" },
  { to: "/rollouts", text: "Rollouts", icon: "rollout" },
  { to: "/live", text: "Live results", icon: "live" },
  { to: "/sites", text: "Sites", icon: "site" },
  { to: "/enrolment", text: "Enrolment", icon: "key" },
];

/** The frame around every page. */
export function Shell({ caller, children }: { caller: Caller; children: ReactNode }) {
  const { pathname } = useLocation();
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [pathname]);
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#content">
        Skip to the content
      </a>
      <header className={classes.side}>
        <NavLink className={classes.brand ?? ""} to="/devices">
          <Icon name="beacon" />
          Noroshi
        </NavLink>
        <nav className={classes.navigation} aria-label="Pages">
          {links.map(({ to, text, icon }) => (
            <NavLink key={to} to={to} className={classes.link ?? ""}>
              <Icon name={icon} />
              {text}
            </NavLink>
          ))}
        </nav>
        <div className={classes.foot}>
          <AccountMenu caller={caller} />
        </div>
      </header>
      <div>
        {caller.development && <DevelopmentBanner className={classes.banner ?? ""} />}
        <main className={classes.main} id="content" tabIndex={-1}>
          <div className={classes.content}>
            <Fallen key={pathname}>{children}</Fallen>
          </div>
        </main>
      </div>
    </div>
  );
}

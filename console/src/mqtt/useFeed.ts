import { useEffect, useEffectEvent, useSyncExternalStore } from "react";

import { answer, api } from "../api/client";
import { Connection, type LinkState } from "./connection";

const tokenLifetimeS = 900;

/** The console's one link; it sleeps until somebody subscribes. */
const connection = new Connection(async () => {
  const body = { ttl_s: tokenLifetimeS };
  const access = await answer(api.POST("/api/v1/dashboard-tokens", { body }));
  return { ...access, lifetimeMs: tokenLifetimeS * 1000 };
});

/** Calls `listener` for each message on the filters while the component is shown. */
export function useFeed(
  filters: readonly string[],
  listener: (topic: string, payload: Uint8Array) => void,
): void {
  const heard = useEffectEvent(listener);
  const key = filters.join(" ");
  useEffect(() => {
    const leave = key
      .split(" ")
      .filter((filter) => filter !== "")
      .map((filter) => connection.subscribe(filter, (topic, payload) => heard(topic, payload)));
    return () => leave.forEach((stop) => stop());
  }, [key]);
}

/** How the link is. */
export function useLinkState(): LinkState {
  return useSyncExternalStore(connection.watch, connection.state);
}

import { useLinkState } from "../mqtt/useFeed";
import { Mark } from "./Mark";

/** Whether live messages come in. */
export function LinkMark() {
  const link = useLinkState();
  switch (link.kind) {
    case "connected":
      return <Mark tone="good" text="connected" />;
    case "waiting":
      return <Mark tone="warning" text="reconnecting" title={link.reason} />;
    case "connecting":
    case "idle":
      return <Mark tone="busy" text="connecting" />;
  }
}

import { presenceText, presenceTone, type Tone } from "../text/status";
import classes from "./Mark.module.css";
import { useNow } from "./useNow";

/** A state: a dot in its tone and its word. */
export function Mark({ tone, text, title }: { tone: Tone; text: string; title?: string }) {
  return (
    <span className={`${classes.mark} ${classes[tone]}`} title={title}>
      {text}
    </span>
  );
}

interface PresenceProps {
  status: string;
  sinceMs: number | null;
  because?: string | null;
}

/** Whether a device or gateway is there, since when, and why that isn't known. */
export function Presence({ status, sinceMs, because }: PresenceProps) {
  const now = useNow();
  return (
    <Mark
      tone={presenceTone(status)}
      text={presenceText(status, sinceMs, now)}
      title={because ?? undefined}
    />
  );
}

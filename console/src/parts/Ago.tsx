import { ago, dateTime } from "../text/format";
import { useNow } from "./useNow";

/** How long ago; the full time is its tooltip. */
export function Ago({ ms }: { ms: number | null | undefined }) {
  const now = useNow();
  if (!ms) return <>—</>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={dateTime(ms)}>
      {ago(ms, now)}
    </time>
  );
}

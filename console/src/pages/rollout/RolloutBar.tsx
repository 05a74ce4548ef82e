import type { Rollout } from "../../api/types";
import { phaseTone } from "../../text/status";
import classes from "./RolloutBar.module.css";

const words = ["succeeded", "trial", "preparing", "failed", "reverted", "waiting"] as const;

interface Props {
  counts: Rollout["counts"];
  legend?: boolean;
}

/** How many devices are in which phase. */
export function RolloutBar({ counts, legend = false }: Props) {
  const parts = words.filter((word) => counts[word] > 0);
  const summary = parts.map((word) => `${counts[word]} ${word}`).join(", ");
  return (
    <div>
      <div className={classes.bar} role="img" aria-label={summary || "no devices"}>
        {parts.map((word) => (
          <div
            key={word}
            className={`${classes.part} ${classes[phaseTone(word)]}`}
            style={{ flexGrow: counts[word] }}
          />
        ))}
      </div>
      {legend && (
        <ul className={classes.legend}>
          {parts.map((word) => (
            <li key={word}>
              <span className={`${classes.swatch} ${classes[phaseTone(word)]}`} />
              {counts[word]} {word}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

import classes from "./Bars.module.css";

export interface Bar {
  name: string;
  value: number;
  text: string;
  /** The ends of an interval, drawn over the bar. */
  range?: { low: number; high: number };
}

interface Props {
  caption: string;
  bars: Bar[];
  /** What fills the whole width; the greatest value if left out. */
  full?: number;
}

/** A small bar chart: one line a bar, each with its figure in words. */
export function Bars({ caption, bars, full }: Props) {
  const whole = full ?? Math.max(...bars.map(({ value }) => value));
  const share = (value: number) => `${whole > 0 ? (100 * value) / whole : 0}%`;
  return (
    <figure className={classes.chart}>
      <figcaption className={classes.caption}>{caption}</figcaption>
      {bars.map(({ name, value, text, range }, place) => (
        <div key={name} className={classes.row}>
          <span className={classes.name} title={name}>
            {name}
          </span>
          <div className={classes.track} aria-hidden="true">
            <div
              className={`${classes.bar} ${place === 0 ? classes.first : ""}`}
              style={{ width: share(value) }}
            />
            {range && (
              <div
                className={classes.range}
                style={{ left: share(range.low), width: share(range.high - range.low) }}
              />
            )}
          </div>
          <span>{text}</span>
        </div>
      ))}
    </figure>
  );
}

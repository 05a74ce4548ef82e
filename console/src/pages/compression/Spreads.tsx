import type { Spread } from "../../api/compressions";
import classes from "./Compression.module.css";
import { scale } from "./border";

const size = { width: 240, height: 110 };
const base = 86;

function Histogram({ tensor, low, high, counts }: Spread) {
  const most = Math.max(...counts);
  const width = size.width / counts.length;
  const height = scale([0, most], [0, base - 6]);
  return (
    <figure className={classes.spread}>
      <figcaption className={classes.tensor} title={tensor}>
        {tensor}
      </figcaption>
      <svg
        className={classes.plot}
        viewBox={`0 0 ${size.width} ${size.height}`}
        role="img"
        aria-label={`${tensor}: from ${low.toPrecision(3)} to ${high.toPrecision(3)}`}
      >
        {counts.map((count, place) => (
          <rect
            // The bars never change places.
            key={place}
            className={classes.point}
            x={place * width}
            y={base - height(count)}
            width={width * 0.9}
            height={height(count)}
          />
        ))}
        <line className={classes.axis} x1={0} x2={size.width} y1={base} y2={base} />
        <text className={classes.label} x={0} y={base + 18}>
          {low.toPrecision(3)}
        </text>
        <text className={classes.label} x={size.width} y={base + 18} textAnchor="end">
          {high.toPrecision(3)}
        </text>
      </svg>
    </figure>
  );
}

/** How the numbers of weights are spread, one small picture each. */
export function Spreads({ weights }: { weights: Spread[] }) {
  return (
    <div className={classes.spreads}>
      {weights.map((weight) => (
        <Histogram key={weight.tensor} {...weight} />
      ))}
    </div>
  );
}

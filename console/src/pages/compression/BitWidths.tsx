import type { Width } from "../../api/compressions";
import { percent } from "../../text/format";
import classes from "./Compression.module.css";
import { scale } from "./border";

const size = { width: 480, height: 260 };
const margin = { left: 60, right: 30, top: 20, bottom: 50 };

/** Agreement with the float model at each number of bits of the weights, from many to few. */
export function BitWidths({ widths }: { widths: Width[] }) {
  const ordered = [...widths].sort((one, other) => other.bits - one.bits);
  const least = Math.min(...ordered.map(({ low }) => low));
  const bottom = size.height - margin.bottom;
  const x = scale([0, ordered.length - 1], [margin.left + 20, size.width - margin.right]);
  const y = scale([least, 1], [bottom, margin.top]);
  const described = ordered.map(
    ({ bits, agreement, refused }) =>
      `${bits} bits: agreement ${percent(agreement)}${refused ? ", refused" : ""}`,
  );
  return (
    <svg
      className={classes.plot}
      viewBox={`0 0 ${size.width} ${size.height}`}
      role="img"
      aria-label={described.join("; ")}
    >
      <line
        className={classes.axis}
        x1={margin.left}
        x2={size.width - margin.right}
        y1={bottom}
        y2={bottom}
      />
      <line
        className={classes.axis}
        x1={margin.left}
        x2={margin.left}
        y1={bottom}
        y2={margin.top}
      />
      <text className={classes.label} x={margin.left - 6} y={y(1) + 4} textAnchor="end">
        {percent(1)}
      </text>
      <text className={classes.label} x={margin.left - 6} y={y(least) + 4} textAnchor="end">
        {percent(least)}
      </text>
      <polyline
        className={classes.border}
        points={ordered.map(({ agreement }, place) => `${x(place)},${y(agreement)}`).join(" ")}
      />
      {ordered.map(({ bits, agreement, low, high, refused }, place) => (
        <g key={bits}>
          <line className={classes.interval} x1={x(place)} x2={x(place)} y1={y(low)} y2={y(high)} />
          <circle
            className={refused ? classes.refused : classes.point}
            cx={x(place)}
            cy={y(agreement)}
            r={5}
          />
          <text className={classes.label} x={x(place)} y={bottom + 18} textAnchor="middle">
            {bits}
          </text>
        </g>
      ))}
      <text
        className={classes.label}
        x={(margin.left + size.width - margin.right) / 2}
        y={bottom + 38}
        textAnchor="middle"
      >
        bits of the weights; hollow is refused
      </text>
    </svg>
  );
}

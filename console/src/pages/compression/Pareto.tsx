import type { Candidate } from "../../api/compressions";
import { bytes, percent } from "../../text/format";
import classes from "./Compression.module.css";
import { border, scale } from "./border";

const size = { width: 480, height: 260 };
const margin = { left: 60, right: 90, top: 20, bottom: 40 };

/** Agreement with the float model against bytes, with the border of what nothing else beats. */
export function Pareto({ candidates }: { candidates: Candidate[] }) {
  const most = Math.max(...candidates.map((candidate) => candidate.bytes));
  const least = Math.min(...candidates.map((candidate) => candidate.low));
  const x = scale([0, most], [margin.left, size.width - margin.right]);
  const y = scale([least, 1], [size.height - margin.bottom, margin.top]);
  const steps = border(candidates)
    .map(({ bytes: cost, agreement }) => `${x(cost)},${y(agreement)}`)
    .join(" ");
  return (
    <svg
      className={classes.plot}
      viewBox={`0 0 ${size.width} ${size.height}`}
      role="img"
      aria-label={candidates
        .map(
          ({ variant, bytes: cost, agreement }) =>
            `${variant}: ${bytes(cost)}, agreement ${percent(agreement)}`,
        )
        .join("; ")}
    >
      <line className={classes.axis} x1={x(0)} x2={x(most)} y1={y(least)} y2={y(least)} />
      <line className={classes.axis} x1={x(0)} x2={x(0)} y1={y(least)} y2={y(1)} />
      <text className={classes.label} x={x(0)} y={y(least) + 18}>
        0
      </text>
      <text className={classes.label} x={x(most)} y={y(least) + 18} textAnchor="end">
        {bytes(most)}
      </text>
      <text className={classes.label} x={x(0) - 6} y={y(1) + 4} textAnchor="end">
        {percent(1)}
      </text>
      <text className={classes.label} x={x(0) - 6} y={y(least) + 4} textAnchor="end">
        {percent(least)}
      </text>
      <polyline className={classes.border} points={steps} />
      {candidates.map(({ variant, bytes: cost, agreement, low, high }) => (
        <g key={variant}>
          <line className={classes.interval} x1={x(cost)} x2={x(cost)} y1={y(low)} y2={y(high)} />
          <circle className={classes.point} cx={x(cost)} cy={y(agreement)} r={5} />
          <text className={classes.name} x={x(cost) + 9} y={y(agreement) + 4}>
            {variant}
          </text>
        </g>
      ))}
    </svg>
  );
}

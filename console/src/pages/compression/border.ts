import type { Candidate } from "../../api/compressions";

/** A straight way from one range to another; the middle if there is nothing between its ends. */
export function scale([low, high]: [number, number], [from, to]: [number, number]) {
  return (value: number) =>
    high > low ? from + ((value - low) / (high - low)) * (to - from) : (from + to) / 2;
}

/** Those that no other beats in bytes and agreement, the smallest first. */
export function border(candidates: Candidate[]): Candidate[] {
  const order = [...candidates].sort(
    (one, other) => one.bytes - other.bytes || other.agreement - one.agreement,
  );
  let best = -Infinity;
  return order.filter(({ agreement }) => {
    const better = agreement > best;
    best = Math.max(best, agreement);
    return better;
  });
}

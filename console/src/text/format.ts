const whole = new Intl.NumberFormat("en-US");
/** A figure and its unit stay on one line. */
const gap = "\u00a0";

const units = ["B", "kB", "MB", "GB"];

/** A number with at least three figures kept: 3.54, 14.1, 102. */
function short(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return whole.format(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** Bytes in decimal units: `14.2 MB`. */
export function bytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${short(scaled)}${gap}${units[unit]}`;
}

/** A count in thousands, millions or billions: `3.50 M`. */
export function count(value: number): string {
  if (value >= 1e9) return `${short(value / 1e9)}${gap}G`;
  if (value >= 1e6) return `${short(value / 1e6)}${gap}M`;
  return whole.format(value);
}

/** `1,234`. */
export function integer(value: number): string {
  return whole.format(value);
}

/** A share as percent: `97.5 %`. */
export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)}${gap}%`;
}

/** Milliseconds of CPU time: `12.3 ms`. */
export function milliseconds(value: number): string {
  return `${short(value)}${gap}ms`;
}

/** `3 devices`, `1 device`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${integer(number)} ${number === 1 ? one : many}`;
}

const steps: [limitS: number, divisor: number, unit: string][] = [
  [90, 1, "s"],
  [90 * 60, 60, "min"],
  [36 * 3600, 3600, "h"],
  [Infinity, 86400, "d"],
];

/** A length of time in its best unit: `42 s`, `12 min`, `3 h`, `9 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [, divisor, unit] = steps.find(([limit]) => seconds < limit) ?? [0, 86400, "d"];
  return `${Math.round(seconds / divisor)}${gap}${unit}`;
}

/** How long ago: `just now`, `42 s ago`; a clock ahead of ours counts as now. */
export function ago(thenMs: number, nowMs: number): string {
  return nowMs - thenMs < 2000 ? "just now" : `${duration(nowMs - thenMs)} ago`;
}

const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const date = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** The time of day: `14:03:59`. */
export function timeOfDay(ms: number): string {
  return clock.format(ms);
}

/** The full date and time. */
export function dateTime(ms: number): string {
  return date.format(ms);
}

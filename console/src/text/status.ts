import { duration } from "./format";

/** How a state looks: its tone decides the colour, never the meaning. */
export type Tone = "good" | "busy" | "warning" | "bad" | "quiet";

const presence: Record<string, Tone> = {
  online: "good",
  stopped: "quiet",
  lost: "bad",
  unknown: "warning",
  never: "quiet",
};

/** The tone of a device's or gateway's status. */
export function presenceTone(status: string): Tone {
  return presence[status] ?? "warning";
}

/** A status in words: `online`, `unknown since 3 min`, `never connected`. */
export function presenceText(status: string, sinceMs: number | null, nowMs: number): string {
  if (status === "never") return "never connected";
  if (status === "online" || !sinceMs) return status;
  return `${status} since ${duration(nowMs - sinceMs)}`;
}

const compressions: Record<string, Tone> = {
  queued: "quiet",
  running: "busy",
  succeeded: "good",
  failed: "bad",
};

/** The tone of an order to compress. */
export function compressionTone(state: string): Tone {
  return compressions[state] ?? "warning";
}

const phases: Record<string, Tone> = {
  waiting: "quiet",
  assigned: "busy",
  accepted: "busy",
  downloading: "busy",
  verifying: "busy",
  staged: "busy",
  testing: "busy",
  preparing: "busy",
  ready: "busy",
  trial: "busy",
  starting: "busy",
  running: "good",
  active: "good",
  succeeded: "good",
  failed: "bad",
  missed: "bad",
  gone: "bad",
  refused: "bad",
  reverted: "warning",
};

/** The tone of an update's phase, a pipeline's state or a rollout's device. */
export function phaseTone(word: string): Tone {
  return phases[word] ?? "quiet";
}

const rollouts: Record<string, Tone> = {
  running: "busy",
  paused: "warning",
  reverting: "warning",
  succeeded: "good",
  stopped: "bad",
  reverted: "warning",
};

/** The tone of a rollout's state. */
export function rolloutTone(state: string): Tone {
  return rollouts[state] ?? "quiet";
}

/** Whether a rollout still moves. */
export function rolloutIsOpen(state: string): boolean {
  return state === "running" || state === "paused" || state === "reverting";
}

const waves: Record<string, Tone> = { waiting: "quiet", running: "busy", done: "good" };

/** The tone of a wave's state. */
export function waveTone(state: string): Tone {
  return waves[state] ?? "quiet";
}

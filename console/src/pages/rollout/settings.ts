import type { NewRollout } from "../../api/types";
import { parseWaves } from "./waves";

/** How a rollout goes; as typed, so that a half-written number is no error of the program. */
export interface Settings {
  name: string;
  waves: string;
  maxFailuresPercent: number;
  soakS: number;
  trialS: number;
  deadlineS: number;
  parallel: number;
}

/** What suits most rollouts: a tenth, half, then everybody; stop at one failure in ten. */
export const goodSettings: Settings = {
  name: "",
  waves: "10, 50, 100",
  maxFailuresPercent: 10,
  soakS: 0,
  trialS: 10,
  deadlineS: 600,
  parallel: 10,
};

type Sent = Omit<NewRollout, "model" | "version" | "selection">;

/** The API's form of the settings; null while the waves are not sound. */
export function sentSettings(settings: Settings): Sent | null {
  const waves = parseWaves(settings.waves);
  if (typeof waves === "string") return null;
  const name = settings.name.trim();
  return {
    waves,
    max_failures_percent: settings.maxFailuresPercent,
    soak_s: settings.soakS,
    trial_s: settings.trialS,
    deadline_s: settings.deadlineS,
    parallel: settings.parallel,
    ...(name ? { name } : {}),
  };
}

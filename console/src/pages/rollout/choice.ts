import type { Pipeline, Selection } from "../../api/types";

/** Whom a rollout is for, as chosen on the page. */
export type Choice =
  | { kind: "model" }
  | { kind: "pipeline"; pipeline: string }
  | { kind: "site"; site: string }
  | { kind: "devices"; devices: string[] };

/** The value of the choice's radio button. */
export function valueOf(choice: Choice): string {
  switch (choice.kind) {
    case "pipeline":
      return `pipeline/${choice.pipeline}`;
    case "site":
      return `site/${choice.site}`;
    case "model":
    case "devices":
      return choice.kind;
  }
}

/** The choice behind a radio button. */
export function choiceOf(value: string): Choice {
  const [kind, id = ""] = value.split("/");
  if (kind === "pipeline") return { kind, pipeline: id };
  if (kind === "site") return { kind, site: id };
  return kind === "devices" ? { kind, devices: [] } : { kind: "model" };
}

/** The API's selection; null while nothing is chosen. */
export function selectionOf(choice: Choice, pipelines: Pipeline[]): Selection | null {
  switch (choice.kind) {
    case "model":
      return pipelines.length > 0 ? { pipelines: pipelines.map(({ id }) => id) } : null;
    case "pipeline":
      return { pipelines: [choice.pipeline] };
    case "site":
      return { sites: [choice.site] };
    case "devices":
      return choice.devices.length > 0 ? { devices: choice.devices } : null;
  }
}

/** How many devices run any of the pipelines. */
export function devicesOf(pipelines: Pipeline[]): number {
  return new Set(pipelines.flatMap(({ devices }) => devices)).size;
}

import { fieldsOf, listOf, numberOf, textOf, textsOf, wordedOf, type Worded } from "./read";

/** How an update goes on a device. */
export interface Update {
  plan: string;
  phase: Worded;
  fetched: number;
  total: number;
}

/** One pipeline as the device reports it. */
export interface PipelineReport {
  pipeline: string;
  revision: number;
  model: string;
  version: number;
  variant: string;
  state: Worded;
  frames: number;
  skipped: number;
  crashes: number;
  cpuUsMedian: number | null;
  cpuUsP95: number | null;
  memory: number | null;
}

/** What a device says of itself. */
export interface Report {
  clock: string;
  desired: number;
  refused: { sequence: number; reason: string } | null;
  pipelines: PipelineReport[];
  update: Update | null;
  outbox: { held: number; bytes: number; dropped: number };
}

/** What a device can run. */
export interface Capabilities {
  architecture: string;
  cpuFeatures: string[];
  chip: string;
  os: string;
  glibc: string;
  memory: number | null;
  agent: string;
  runtimes: { engine: string; version: string; maxOpset: number | null; maxIr: number | null }[];
}

export function readUpdate(value: unknown): Update | null {
  const fields = fieldsOf(value);
  const phase = wordedOf(fields?.["phase"]);
  if (!fields || !phase) return null;
  return {
    plan: textOf(fields["plan"]),
    phase: { word: phase.word, reason: phase.reason ?? (textOf(fields["reason"]) || null) },
    fetched: numberOf(fields["fetched"]) ?? 0,
    total: numberOf(fields["total"]) ?? 0,
  };
}

function readPipeline(value: unknown): PipelineReport | null {
  const fields = fieldsOf(value);
  const state = wordedOf(fields?.["state"]);
  if (!fields || !state) return null;
  const figures = fieldsOf(fields["figures"]) ?? {};
  return {
    pipeline: textOf(fields["pipeline"]),
    revision: numberOf(fields["revision"]) ?? 0,
    model: textOf(fields["model"]),
    version: numberOf(fields["version"]) ?? 0,
    variant: textOf(fields["variant"]),
    state,
    frames: numberOf(figures["frames"]) ?? 0,
    skipped: numberOf(figures["skipped"]) ?? 0,
    crashes: numberOf(figures["crashes"]) ?? 0,
    cpuUsMedian: numberOf(figures["cpu_us_p50"]),
    cpuUsP95: numberOf(figures["cpu_us_p95"]),
    memory: numberOf(figures["memory"]),
  };
}

export function readReport(value: unknown): Report | null {
  const fields = fieldsOf(value);
  if (!fields) return null;
  const refused = fieldsOf(fields["refused"]);
  const outbox = fieldsOf(fields["outbox"]) ?? {};
  return {
    clock: textOf(fields["clock"]),
    desired: numberOf(fields["desired"]) ?? 0,
    refused: refused && {
      sequence: numberOf(refused["sequence"]) ?? 0,
      reason: textOf(refused["reason"]),
    },
    pipelines: listOf(fields["pipelines"], readPipeline),
    update: readUpdate(fields["update"]),
    outbox: {
      held: numberOf(outbox["held"]) ?? 0,
      bytes: numberOf(outbox["bytes"]) ?? 0,
      dropped: numberOf(outbox["dropped"]) ?? 0,
    },
  };
}

export function readCapabilities(value: unknown): Capabilities | null {
  const fields = fieldsOf(value);
  if (!fields) return null;
  return {
    architecture: textOf(fields["architecture"]),
    cpuFeatures: textsOf(fields["cpu_features"]),
    chip: textOf(fields["chip"]),
    os: textOf(fields["os"]),
    glibc: textOf(fields["glibc"]),
    memory: numberOf(fields["memory"]),
    agent: textOf(fields["agent"]),
    runtimes: listOf(fields["runtimes"], (item) => {
      const runtime = fieldsOf(item);
      return (
        runtime && {
          engine: textOf(runtime["engine"]),
          version: textOf(runtime["version"]),
          maxOpset: numberOf(runtime["max_opset"]),
          maxIr: numberOf(runtime["max_ir"]),
        }
      );
    }),
  };
}

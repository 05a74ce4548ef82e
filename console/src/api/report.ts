import { fieldsOf, listOf, numberOf, textOf, textsOf } from "./read";

/** What a device says of itself, beside its pipelines. */
export interface Report {
  clock: string;
  desired: number;
  refused: { sequence: number; reason: string } | null;
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

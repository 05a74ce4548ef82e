import { fieldsOf, listOf, numberOf, textOf, textsOf } from "./read";

/** What a device must have to run a variant. */
export interface Requirements {
  opset: number | null;
  ir: number | null;
  operators: string[];
  peakMemory: number | null;
  architectures: string[];
  cpuFeatures: string[];
}

/** How often two models give the same top label, with its 95 % interval. */
export interface Agreement {
  same: number;
  of: number;
  low: number;
  high: number;
}

/** Figures measured when the variant was made. */
export interface Measured {
  parameters: number | null;
  macs: number | null;
  agreement: Agreement | null;
  latency: { chip: string; cpuMs: number }[];
}

/** Where a variant comes from. */
export interface Provenance {
  source: string;
  recipe: string;
  tool: string;
}

/** A manifest has 0 where a figure means nothing for the file's format. */
function known(value: unknown): number | null {
  return numberOf(value) || null;
}

export function readRequirements(value: unknown): Requirements {
  const fields = fieldsOf(value) ?? {};
  return {
    opset: known(fields["opset"]),
    ir: known(fields["ir"]),
    operators: textsOf(fields["operators"]),
    peakMemory: known(fields["peak_memory"]),
    architectures: textsOf(fields["architectures"]),
    cpuFeatures: textsOf(fields["cpu_features"]),
  };
}

function readAgreement(value: unknown): Agreement | null {
  const fields = fieldsOf(value);
  const same = numberOf(fields?.["same"]);
  const of = numberOf(fields?.["of"]);
  if (!fields || same === null || !of) return null;
  return { same, of, low: numberOf(fields["low"]) ?? 0, high: numberOf(fields["high"]) ?? 1 };
}

export function readMeasured(value: unknown): Measured {
  const fields = fieldsOf(value) ?? {};
  return {
    parameters: known(fields["parameters"]),
    macs: known(fields["macs"]),
    agreement: readAgreement(fields["agreement"]),
    latency: listOf(fields["latency"], (item) => {
      const entry = fieldsOf(item);
      const cpuMs = numberOf(entry?.["cpu_ms"]);
      return entry && cpuMs !== null ? { chip: textOf(entry["chip"]), cpuMs } : null;
    }),
  };
}

export function readProvenance(value: unknown): Provenance {
  const fields = fieldsOf(value) ?? {};
  return {
    source: textOf(fields["source"]),
    recipe: textOf(fields["recipe"]),
    tool: textOf(fields["tool"]),
  };
}

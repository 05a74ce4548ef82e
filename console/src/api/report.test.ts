import { describe, expect, it } from "vitest";

import { readMeasured, readRequirements } from "./manifest";
import { readCapabilities, readReport, readUpdate } from "./report";

describe("readUpdate", () => {
  it("takes a phase as a word or with its reason", () => {
    expect(readUpdate({ plan: "p", phase: "trial", fetched: 1, total: 2 })).toEqual({
      plan: "p",
      phase: { word: "trial", reason: null },
      fetched: 1,
      total: 2,
    });
    expect(readUpdate({ phase: { failed: "no such file" } })?.phase).toEqual({
      word: "failed",
      reason: "no such file",
    });
    expect(readUpdate({ phase: "reverted", reason: "asked for" })?.phase.reason).toBe("asked for");
    expect(readUpdate(null)).toBeNull();
  });
});

describe("readReport", () => {
  it("reads pipelines and their figures", () => {
    const report = readReport({
      clock: "ntp",
      desired: 4,
      pipelines: [
        {
          pipeline: "photos",
          revision: 1,
          model: "m",
          version: 2,
          variant: "int8",
          state: { failed: "no engine" },
          figures: { frames: 9, crashes: 1, cpu_us_p50: 5000 },
        },
        "garbage",
      ],
      outbox: { held: 3 },
    });
    expect(report?.pipelines).toHaveLength(1);
    expect(report?.pipelines[0]).toMatchObject({
      version: 2,
      state: { word: "failed", reason: "no engine" },
      frames: 9,
      cpuUsMedian: 5000,
      memory: null,
    });
    expect(report?.outbox).toEqual({ held: 3, bytes: 0, dropped: 0 });
    expect(readReport(null)).toBeNull();
  });

  it("reads capabilities", () => {
    const capabilities = readCapabilities({ chip: "A76", runtimes: [{ engine: "candle" }] });
    expect(capabilities?.runtimes).toEqual([
      { engine: "candle", version: "", maxOpset: null, maxIr: null },
    ]);
  });
});

describe("manifests", () => {
  it("leave out what was not measured", () => {
    expect(readMeasured({ parameters: 0, agreement: { same: 0, of: 0 } })).toEqual({
      parameters: null,
      macs: null,
      agreement: null,
      latency: [],
    });
    expect(readRequirements(undefined).opset).toBeNull();
    expect(readMeasured({ latency: [{ chip: "a", cpu_ms: 2 }, { chip: "b" }] }).latency).toEqual([
      { chip: "a", cpuMs: 2 },
    ]);
  });
});

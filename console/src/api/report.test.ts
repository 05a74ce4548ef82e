import { describe, expect, it } from "vitest";

import { readMeasured, readRequirements } from "./manifest";
import { readCapabilities, readReport } from "./report";

describe("reports", () => {
  it("are read as far as they are known", () => {
    const report = readReport({
      clock: "ntp",
      desired: 4,
      refused: { sequence: 5, reason: "expired" },
      outbox: { held: 3 },
    });
    expect(report).toEqual({
      clock: "ntp",
      desired: 4,
      refused: { sequence: 5, reason: "expired" },
      outbox: { held: 3, bytes: 0, dropped: 0 },
    });
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

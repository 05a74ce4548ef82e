import { expect, test } from "vitest";

import { readReport } from "./compressions";

test("a report is read field by field", () => {
  const report = readReport({
    points: [
      { variant: "int8", bytes: 10, cpu_ms: 2.5, agreement: 0.9, low: 0.8, high: 0.95 },
      { variant: "broken", bytes: "many", agreement: 1 },
    ],
    sensitivity: [{ layer: "conv", decibels: 21.5 }, { layer: "other" }],
    bits: [{ bits: 4, agreement: 0.9, low: 0.8, high: 0.95, refused: true }, { bits: 2 }],
    weights: [
      { tensor: "w", low: -1, high: 1, counts: [1, 2, "three"] },
      { tensor: "empty", low: 0, high: 1, counts: [] },
    ],
    text: "fine",
  });
  expect(report.bits).toEqual([{ bits: 4, agreement: 0.9, low: 0.8, high: 0.95, refused: true }]);
  expect(report.weights).toEqual([{ tensor: "w", low: -1, high: 1, counts: [1, 2] }]);
  expect(report.points).toEqual([
    { variant: "int8", bytes: 10, cpuMs: 2.5, agreement: 0.9, low: 0.8, high: 0.95 },
  ]);
  expect(report.sensitivity).toEqual([{ layer: "conv", decibels: 21.5 }]);
  expect(report.text).toBe("fine");
});

test("whatever else it is, it is an empty report", () => {
  for (const value of [null, undefined, 7, "text", [], { points: {} }]) {
    expect(readReport(value)).toEqual({
      points: [],
      sensitivity: [],
      bits: [],
      weights: [],
      text: "",
    });
  }
});

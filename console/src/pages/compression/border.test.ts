import { expect, test } from "vitest";

import { border, scale } from "./border";

function candidate(variant: string, bytes: number, agreement: number) {
  return { variant, bytes, agreement, cpuMs: null, low: agreement, high: agreement };
}

test("what another beats in both is not on the border", () => {
  const found = border([
    candidate("fp32", 400, 1),
    candidate("worse", 200, 0.8),
    candidate("int8", 100, 0.95),
    candidate("equal", 100, 0.9),
  ]);
  expect(found.map(({ variant }) => variant)).toEqual(["int8", "fp32"]);
  expect(border([])).toEqual([]);
});

test("a scale of one value is its middle", () => {
  expect(scale([0, 10], [0, 100])(5)).toBe(50);
  expect(scale([3, 3], [0, 100])(3)).toBe(50);
});

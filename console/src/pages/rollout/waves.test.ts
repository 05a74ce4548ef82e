import { describe, expect, it } from "vitest";

import { goodSettings, sentSettings } from "./settings";
import { parseWaves } from "./waves";

describe("parseWaves", () => {
  it.each([
    ["10, 50, 100", [10, 50, 100]],
    ["100", [100]],
    ["1 5;20% 100 %", [1, 5, 20, 100]],
  ])("reads %j", (text, waves) => {
    expect(parseWaves(text)).toEqual(waves);
  });

  it.each(["", "ten", "0, 100", "10.5, 100", "50, 10, 100", "10, 50", "10, 101"])(
    "explains %j",
    (text) => {
      expect(parseWaves(text)).toBeTypeOf("string");
    },
  );
});

describe("sentSettings", () => {
  it("sends the good defaults, and nothing that is not sound", () => {
    expect(sentSettings(goodSettings)).toEqual({
      waves: [10, 50, 100],
      max_failures_percent: 10,
      soak_s: 0,
      trial_s: 10,
      deadline_s: 600,
      parallel: 10,
    });
    expect(sentSettings({ ...goodSettings, waves: "50" })).toBeNull();
  });
});

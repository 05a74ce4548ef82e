import { describe, expect, it } from "vitest";

import { readExplanation } from "./explanation";

describe("an explanation", () => {
  it("is read field by field", () => {
    const text = JSON.stringify({
      label: "top",
      score: 1.5,
      terms: [
        { part: "column", index: 3, name: "pixel 3,0", value: 1.25 },
        { part: "base", index: 0, name: "base", value: "much" },
      ],
      rest: { count: 7, value: 0.25 },
    });
    expect(readExplanation(text)).toEqual({
      label: "top",
      score: 1.5,
      terms: [{ name: "pixel 3,0", value: 1.25 }],
      rest: { count: 7, value: 0.25 },
    });
  });

  it("is nothing if it is none", () => {
    for (const text of ["", "{", "[]", "7", '{"label":"x"}']) {
      expect(readExplanation(text)).toBeNull();
    }
  });
});

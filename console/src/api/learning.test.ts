import { describe, expect, it } from "vitest";

import { readLesson } from "./learning";

describe("a lesson", () => {
  it("is read field by field", () => {
    const text = JSON.stringify({ learned: 1, right: 1, drift: false, samples: 7, skipped: [] });
    expect(readLesson(text)).toEqual({ right: true, drift: false, samples: 7 });
    const wrong = JSON.stringify({ learned: 1, right: 0, drift: true, samples: 8 });
    expect(readLesson(wrong)).toEqual({ right: false, drift: true, samples: 8 });
  });

  it("is nothing if it is none", () => {
    for (const text of ["", "{", "[]", "7", "{}"]) expect(readLesson(text)).toBeNull();
  });
});

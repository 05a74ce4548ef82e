import { describe, expect, it } from "vitest";

import { presenceText, presenceTone, rolloutIsOpen } from "./status";

const now = 1_700_000_000_000;

describe("presenceText", () => {
  it.each([
    ["online", now - 5_000, "online"],
    ["stopped", now - 120_000, "stopped since 2 min"],
    ["lost", now - 45_000, "lost since 45 s"],
    ["unknown", now - 3 * 3_600_000, "unknown since 3 h"],
    ["unknown", null, "unknown"],
    ["never", 0, "never connected"],
  ])("%s", (status, since, text) => {
    expect(presenceText(status, since, now).replaceAll("\u00a0", " ")).toBe(text);
  });

  it("has a tone for every status, also one that is newer than this console", () => {
    expect(presenceTone("online")).toBe("good");
    expect(presenceTone("unknown")).toBe("warning");
    expect(presenceTone("hibernating")).toBe("warning");
  });
});

describe("rolloutIsOpen", () => {
  it("is what still moves", () => {
    expect(["running", "paused", "reverting"].every(rolloutIsOpen)).toBe(true);
    expect(["succeeded", "stopped", "reverted"].some(rolloutIsOpen)).toBe(false);
  });
});

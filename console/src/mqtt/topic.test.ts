import { describe, expect, it } from "vitest";

import { liveFilter, matches, parseTopic, statusFilter } from "./topic";

describe("parseTopic", () => {
  it("reads the levels", () => {
    expect(parseTopic("noroshi/v1/acme/plant-1/cam-a/live/photos")).toEqual({
      org: "acme",
      site: "plant-1",
      device: "cam-a",
      kind: "live",
      name: "photos",
    });
  });

  it.each([
    "",
    "noroshi/v1/acme/plant-1/cam-a/live",
    "noroshi/v1/acme/plant-1/cam-a/live/photos/more",
    "noroshi/v2/acme/plant-1/cam-a/live/photos",
    "other/v1/acme/plant-1/cam-a/live/photos",
    "noroshi/v1/acme/+/cam-a/live/photos",
    "noroshi/v1/acme//cam-a/live/photos",
    `noroshi/v1/acme/${"a".repeat(41)}/cam-a/live/photos`,
  ])("refuses %j", (text) => {
    expect(parseTopic(text)).toBeNull();
  });
});

describe("filters", () => {
  it("fix organisation and kind, and what the scope names", () => {
    expect(liveFilter("acme")).toBe("noroshi/v1/acme/+/+/live/+");
    expect(liveFilter("acme", { site: "plant-1", device: "cam-a" })).toBe(
      "noroshi/v1/acme/plant-1/cam-a/live/+",
    );
    expect(statusFilter("acme")).toBe("noroshi/v1/acme/+/+/status/agent");
  });

  it("let through what they name and nothing else", () => {
    const topic = "noroshi/v1/acme/plant-1/cam-a/live/photos";
    expect(matches(liveFilter("acme"), topic)).toBe(true);
    expect(matches(liveFilter("acme", { device: "cam-b" }), topic)).toBe(false);
    expect(matches(statusFilter("acme"), topic)).toBe(false);
    expect(matches("noroshi/v1/acme/+/+/live", topic)).toBe(false);
  });
});

import { describe, expect, it } from "vitest";

import { choiceOf, selectionOf, valueOf, type Choice } from "./choice";

const pipeline = {
  id: "photos",
  name: "Photos",
  source: "photos",
  model: "m",
  version: 1,
  filters: [],
  top: 3,
  revision: 1,
  devices: ["a", "b"],
  created_ms: 0,
  updated_ms: 0,
};

describe("choice", () => {
  it.each<Choice>([
    { kind: "model" },
    { kind: "pipeline", pipeline: "photos" },
    { kind: "site", site: "plant-1" },
    { kind: "devices", devices: [] },
  ])("is found again by its button: $kind", (choice) => {
    expect(choiceOf(valueOf(choice))).toEqual(choice);
  });

  it("becomes a selection, or none while nothing is chosen", () => {
    expect(selectionOf({ kind: "model" }, [pipeline])).toEqual({ pipelines: ["photos"] });
    expect(selectionOf({ kind: "model" }, [])).toBeNull();
    expect(selectionOf({ kind: "site", site: "s" }, [])).toEqual({ sites: ["s"] });
    expect(selectionOf({ kind: "devices", devices: [] }, [])).toBeNull();
    expect(selectionOf({ kind: "devices", devices: ["a"] }, [])).toEqual({ devices: ["a"] });
  });
});

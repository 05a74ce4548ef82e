import { describe, expect, it } from "vitest";

import { readLive } from "./payload";

const topic = "noroshi/v1/acme/plant-1/cam-a/live/photos";
const bytes = (text: string) => new TextEncoder().encode(text);

describe("readLive", () => {
  it("reads a result", () => {
    const payload = {
      ts: 1_700_000_000_000,
      label: "espresso",
      score: 0.91,
      label_2: "cup",
      score_2: 0.04,
      count_espresso: 3,
      model: "mobilenet-v2",
      version: 2,
      sequence: 7,
    };
    expect(readLive(topic, bytes(JSON.stringify(payload)))).toEqual({
      site: "plant-1",
      device: "cam-a",
      pipeline: "photos",
      at: 1_700_000_000_000,
      label: "espresso",
      score: 0.91,
      secondLabel: "cup",
      secondScore: 0.04,
      model: "mobilenet-v2",
      version: 2,
      sequence: 7,
    });
  });

  it("takes an answer without a label", () => {
    const result = readLive(topic, bytes('{"ts":1,"model":"m","version":1,"sequence":0}'));
    expect(result).toMatchObject({ label: "", score: null, secondLabel: "" });
  });

  it.each(["", "{", "[]", "null", '{"ts":"now","sequence":1}', '{"ts":1}', '"text"'])(
    "ignores %j",
    (text) => {
      expect(readLive(topic, bytes(text))).toBeNull();
    },
  );

  it("ignores what is too long, and other topics", () => {
    const long = `{"ts":1,"sequence":1,"label":"${"a".repeat(9000)}"}`;
    expect(readLive(topic, bytes(long))).toBeNull();
    const other = topic.replace("live/photos", "metric/cpu");
    expect(readLive(other, bytes('{"ts":1,"sequence":1}'))).toBeNull();
  });
});

import { describe, expect, it } from "vitest";

import { ago, bytes, count, counted, duration, milliseconds, percent } from "./format";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

describe("figures", () => {
  it.each([
    [bytes(0), "0 B"],
    [bytes(999), "999 B"],
    [bytes(3_672_000), "3.67 MB"],
    [bytes(13_964_000), "14.0 MB"],
    [bytes(999_960_000), "1.00 GB"],
    [bytes(2_147_483_648), "2.15 GB"],
    [count(512), "512"],
    [count(3_504_872), "3.50 M"],
    [count(300_774_272), "301 M"],
    [milliseconds(5.834), "5.83 ms"],
    [percent(0.9712), "97.1 %"],
    [percent(1, 0), "100 %"],
    [counted(1, "device"), "1 device"],
    [counted(1200, "device"), "1,200 devices"],
  ])("%s", (text, expected) => {
    expect(plain(text)).toBe(expected);
  });
});

describe("times", () => {
  it.each([
    [0, "0 s"],
    [89_000, "89 s"],
    [91_000, "2 min"],
    [2 * 3_600_000, "2 h"],
    [9 * 86_400_000, "9 d"],
  ])("%d ms", (ms, text) => {
    expect(plain(duration(ms))).toBe(text);
  });

  it("never lie in the future", () => {
    expect(ago(2_000, 1_000)).toBe("just now");
    expect(plain(ago(1_000, 31_000))).toBe("30 s ago");
  });
});

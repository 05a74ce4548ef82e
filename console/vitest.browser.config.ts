import { defineConfig } from "vitest/config";

/** Drives a real browser against a running fleet: see tests/fleet.browser.ts. */
export default defineConfig({
  test: {
    include: ["tests/**/*.browser.ts"],
    environment: "node",
    testTimeout: 240_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});

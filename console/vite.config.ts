import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// While developing, the API and the MQTT WebSocket come from a running cloud.
const cloud = process.env["NOROSHI_CLOUD"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    sourcemap: false,
    // Everything is a file of its own: the page's policy allows no data: URLs.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/api": { target: cloud }, "/mqtt": { target: cloud, ws: true } },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

import { defineConfig } from "vitest/config";
import { filesOf } from "../suites.ts";

/** Debian's chromium against `npm start`. */
export default defineConfig({
  test: {
    include: filesOf("browser"),
    // Two cores: side by side they would only wait for each other.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
  },
});

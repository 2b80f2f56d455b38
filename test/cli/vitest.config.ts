import { defineConfig } from "vitest/config";
import { filesOf } from "../suites.ts";

/** Programs for the user's machine, in plain Node. */
export default defineConfig({
  test: {
    include: filesOf("cli"),
    testTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // By itself vitest leaves one core to itself, which has little to do.
    maxWorkers: "100%",
  },
});

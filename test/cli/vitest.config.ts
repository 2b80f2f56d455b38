import { defineConfig } from "vitest/config";
import { filesOf } from "../suites.ts";

/** Programs for the user's machine, in plain Node. */
export default defineConfig({
  // By itself vitest leaves one core to itself, which has little to do.
  test: { include: filesOf("cli"), testTimeout: 30_000, maxWorkers: "100%" },
});

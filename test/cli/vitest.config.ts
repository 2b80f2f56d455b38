import { defineConfig } from "vitest/config";
import { filesOf } from "../suites.ts";

/** Programs for the user's machine, in plain Node. */
export default defineConfig({
  test: { include: filesOf("cli"), testTimeout: 30_000 },
});

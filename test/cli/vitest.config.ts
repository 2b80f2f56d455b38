import { defineConfig } from "vitest/config";

/** Programs for the user's machine, in plain Node. */
export default defineConfig({
  test: { include: ["test/cli/**/*.test.ts"], testTimeout: 30_000 },
});

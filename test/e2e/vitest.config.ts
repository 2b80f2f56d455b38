import { defineConfig } from "vitest/config";
import { filesOf } from "../suites.ts";

export default defineConfig({
  test: {
    environment: "node",
    include: filesOf("e2e"),
    globalSetup: "test/e2e/setup.ts",
    // One registry, one docker and two cores: side by side the clients would only wait for each other.
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
  },
});

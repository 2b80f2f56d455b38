import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { filesOf } from "./suites.ts";

const workerd = () =>
  cloudflareTest(async () => ({
    // The Worker itself, with its bindings metered and breakable.
    main: "./test/support/worker.ts",
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: { bindings: { MIGRATIONS: await readD1Migrations("migrations") } },
  }));

export default defineConfig({
  test: {
    // By itself vitest leaves one core to itself, which has little to do.
    maxWorkers: "100%",
    // One a request, by the thousand.
    onConsoleLog: (text) => !text.includes('"event":"request"'),
    projects: [
      { plugins: [workerd()], test: { name: "pure", include: filesOf("pure") } },
      {
        plugins: [workerd()],
        test: {
          name: "worker",
          include: filesOf("worker"),
          globalSetup: ["test/support/issuer-setup.ts"],
          setupFiles: ["test/setup.ts"],
          testTimeout: 60_000,
        },
      },
    ],
  },
});

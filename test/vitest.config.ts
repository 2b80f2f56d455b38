import process from "node:process";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { filesOf } from "./suites.ts";
import { S3_KEYS } from "./support/s3-keys.ts";
import type { StoreName } from "./support/stores.ts";

const workerd = () =>
  cloudflareTest(async () => ({
    // The Worker itself, with its bindings metered and breakable.
    main: "./test/support/worker.ts",
    wrangler: { configPath: "./wrangler.toml" },
    miniflare: {
      bindings: { MIGRATIONS: await readD1Migrations("migrations") },
      // The same bucket behind miniflare's own S3 endpoint, which is where the Worker is.
      r2Buckets: {
        BUCKET: { id: "berth", s3Credentials: S3_KEYS },
        OTHER: { id: "other", s3Credentials: S3_KEYS },
      },
      serviceBindings: { WHERE: async (_, miniflare) => new Response(String(await miniflare.ready)) },
    },
  }));

/** Against the Worker with its bytes in `store`. */
const against = (store: StoreName, name: string) => ({
  name,
  globalSetup: ["test/support/issuer-setup.ts", "test/support/azurite-setup.ts"],
  setupFiles: ["test/setup.ts"],
  testTimeout: 60_000,
  provide: { store },
});

export default defineConfig({
  test: {
    // By itself vitest leaves one core to itself, which has little to do.
    maxWorkers: "100%",
    // One a request, by the thousand.
    onConsoleLog: (text) => !text.includes('"event":"request"'),
    projects: [
      { plugins: [workerd()], test: { name: "pure", include: filesOf("pure") } },
      { plugins: [workerd()], test: { ...against("r2", "worker"), include: filesOf("worker") } },
      // Some of the same again, with the bytes elsewhere.
      { plugins: [workerd()], test: { ...against("s3", "worker on s3"), include: filesOf("s3") } },
      // Where it is installed: see support/azurite-setup.ts.
      ...(process.env.AZURITE_HOME
        ? [
            {
              plugins: [workerd()],
              test: { ...against("azure", "worker on azure"), include: filesOf("azure") },
            },
          ]
        : []),
    ],
  },
});

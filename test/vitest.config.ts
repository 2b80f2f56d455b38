import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      // The Worker itself, with its bindings metered and breakable.
      main: "./test/support/worker.ts",
      wrangler: { configPath: "./wrangler.toml" },
      miniflare: { bindings: { MIGRATIONS: await readD1Migrations("migrations") } },
    })),
  ],
  test: {
    include: ["test/{oci,storage,api,auth,gc}/**/*.test.ts", "test/architecture.test.ts"],
    globalSetup: ["test/support/issuer-setup.ts"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 60_000,
  },
});

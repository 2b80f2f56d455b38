import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { filesOf } from "./suites.ts";
import { S3_KEYS } from "./support/s3-keys.ts";
import type { StoreName } from "./support/stores.ts";

/** The whole suite "worker" on another store, when somebody asks for it: CONTRIBUTING.md. */
const { STORE: whole, DATABASES, AZURITE_HOME, S3_SERVER = "" } = process.env;
if (whole !== undefined && !["disk", "s3", "server", "gcs", "azure", "memory"].includes(whole))
  throw new Error(`STORE is ${whole}, but must be disk, s3, server, gcs, azure or memory`);
if (DATABASES !== undefined && DATABASES !== "3") throw new Error("DATABASES must be 3");
if (whole === "azure" && !AZURITE_HOME) throw new Error("STORE=azure needs AZURITE_HOME");
if (whole === "server" && S3_SERVER === "") throw new Error("STORE=server needs S3_SERVER");

/** It goes with this run. */
function newFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "berth-test-"));
  process.once("exit", () => rmSync(path, { recursive: true, force: true }));
  return path;
}

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
      d1Databases: { DB: "db", MAIN_DB: "db-main", THIRD_DB: "db-third" },
      serviceBindings: {
        WHERE: async (_, miniflare) => new Response(String(await miniflare.ready)),
        DISK: { disk: { path: newFolder(), writable: true } },
      },
    },
  }));

/** Against the Worker with its bytes in `store`, on so many databases. */
const against = (store: StoreName, name: string, databases: 1 | 3 = 1) => ({
  name,
  globalSetup: ["test/support/issuer-setup.ts", "test/support/azurite-setup.ts"],
  setupFiles: ["test/setup.ts"],
  testTimeout: 60_000,
  provide: { store, databases, s3Server: S3_SERVER },
});

/** Some of the same again, with the bytes, or the rows, elsewhere. */
const again = [
  {
    plugins: [workerd()],
    test: { ...against("r2", "worker on three databases", 3), include: filesOf("databases") },
  },
  { plugins: [workerd()], test: { ...against("disk", "worker on a disk"), include: filesOf("disk") } },
  { plugins: [workerd()], test: { ...against("s3", "worker on s3"), include: filesOf("s3") } },
  { plugins: [workerd()], test: { ...against("azure", "worker on azure"), include: filesOf("azure") } },
];

export default defineConfig({
  test: {
    // By itself vitest leaves one core to itself, which has little to do.
    maxWorkers: "100%",
    // Loading the Worker anew for each file takes a fifth of the time; setup.ts forgets what a test has left in it.
    isolate: false,
    // One a request, by the thousand.
    onConsoleLog: (text) => !text.includes('"event":"request"'),
    projects: [
      { plugins: [workerd()], test: { name: "pure", include: filesOf("pure") } },
      {
        plugins: [workerd()],
        test: {
          ...against((whole ?? "r2") as StoreName, "worker", DATABASES ? 3 : 1),
          include: filesOf("worker"),
        },
      },
      // Azure where azurite is installed: see support/azurite-setup.ts.
      ...(whole === undefined && DATABASES === undefined
        ? again.slice(0, AZURITE_HOME ? undefined : -1)
        : []),
    ],
  },
});

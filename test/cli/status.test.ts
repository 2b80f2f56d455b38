/** `berth status`, against a registry that answers as it is told. */

import { afterEach, beforeEach, expect, test } from "vitest";
import { runBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const STATUS = {
  build: { version: "1.2.3", deployment: "", schema: 7 },
  readOnly: null,
  objects: { store: "r2", old: [] as string[], outOfReach: [] as string[] },
  totals: { repositories: 2, manifests: 3, manifestBytes: 900, blobs: 4, blobBytes: 5_000_000 },
  uploads: { open: 1, limit: 10_000 },
  database: { bytes: 500_000_000, limit: 10_000_000_000, share: 0.05 },
  collection: { last: null, lastSuccessAt: null } as Record<string, unknown>,
};
let registry: ScriptedServer;

beforeEach(async () => {
  registry = await new ScriptedServer().listen();
});
afterEach(() => registry.close());

async function status(answer: typeof STATUS, ...args: string[]): Promise<string> {
  registry.reply = (_, response) => json(response, 200, answer);
  const credentials = ["--username", "root", "--password-stdin"];
  const { code, stdout, stderr } = await runBerth(
    ["status", "--registry", registry.origin, ...credentials, ...args],
    { input: "secret\n" },
  );
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

test("says what is there", async () => {
  expect(await status(STATUS)).toBe(`\
version       1.2.3, schema 7
repositories  2 with 3 manifests
blobs         4, 5.0 MB
objects       in r2
uploads       1 open of at most 10000
database      500.0 MB, 5.0 % of the limit
collection    none yet
`);
  expect(registry.asked[0]).toMatchObject({ method: "GET", url: "/v2/_berth/status" });
});

test("says that a collection failed, why, and when one last did not", async () => {
  const failed = { startedAt: 90_000, outcome: "failed", error: "no bucket", waiting: { bytes: 1_000_000 } };
  const lines = await status({ ...STATUS, collection: { last: failed, lastSuccessAt: 30_000 } });
  expect(lines).toContain("collection    failed, 1970-01-01T00:01:30Z\n");
  expect(lines).toContain("1.0 MB deleted and still kept\n");
  expect(lines).toContain("no bucket; the last that did not: 1970-01-01T00:00:30Z\n");
  const never = await status({ ...STATUS, collection: { last: failed, lastSuccessAt: null } });
  expect(never).toContain("no bucket; none has ended well\n");
});

test("says which store may not be taken away, and which is missed", async () => {
  const moving = { store: "s3 https://s3.test/berth", old: ["r2"], outOfReach: [] };
  expect(await status({ ...STATUS, objects: moving })).toContain(`\
objects       in s3 https://s3.test/berth
              some perhaps only in r2: run berth migrate-store before STORE_FALLBACK goes
`);
  const lost = { ...moving, outOfReach: ["r2"] };
  expect(await status({ ...STATUS, objects: lost })).toContain(
    "some perhaps only in r2: the settings do not name it: set STORE_FALLBACK to it",
  );
});

test("says why nothing may be pushed", async () => {
  expect(await status({ ...STATUS, readOnly: "moving" } as never)).toContain("read-only     moving\n");
});

test("prints the registry's own answer with --json", async () => {
  expect(JSON.parse(await status(STATUS, "--json"))).toEqual(STATUS);
});

/**
 * `npm run soak -- [--seconds 120] [--store r2|s3|gcs|azure|server] [--databases 3] [--faults [--seed 7]]`: pushers,
 * pullers, deleters and retaggers at work on a registry that collects garbage every second. Nothing that was
 * acknowledged may be lost, and nothing that was given up may stay. With faults, one call in fifty of every store
 * fails, objects vanish, and upload sessions are reset.
 */

import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { getPlatformProxy } from "wrangler";
import { configWith } from "../e2e/support/configs.ts";
import { freePort } from "../e2e/support/ports.ts";
import { ROOT } from "../e2e/support/registry.ts";
import { Service } from "../e2e/support/service.ts";
import { asVars, openStore } from "../e2e/support/store.ts";
import type { Client } from "../support/client.ts";
import { keysOf } from "../support/outer-stores.ts";
import { clientAt } from "./client.ts";
import { collect, pull, push, remove, repeat, reset, retag, vandalise } from "./workers.ts";
import { World } from "./world.ts";

/** Seconds. */
const GRACE_PERIOD = 6;
const UPLOAD_EXPIRY = 20;
const ORPHAN_AGE = 25;

/** Of how many calls one fails. */
const ONE_IN = 50;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    faults: { type: "boolean", default: false },
    store: { type: "string", default: "disk" },
    databases: { type: "string", default: "1" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
  },
});
const seed = Number(values.seed);
if (!Number.isInteger(seed)) throw new Error("--seed wants a whole number");
const seconds = Number(values.seconds);
if (!(seconds >= 5 && seconds <= 3600)) throw new Error("--seconds wants a number from 5 to 3600");

if (!["1", "3"].includes(values.databases)) throw new Error("--databases wants 1 or 3");
/** Each with what its objects' keys begin with. */
const databases = values.databases === "1" ? { DB: "" } : { DB: "", DB_2: "DB_2/", DB_3: "DB_3/" };

const workspace = mkdtempSync(join(tmpdir(), "berth-soak-"));
const state = join(workspace, "state");
const password = randomBytes(12).toString("hex");
const port = await freePort();
const variables = [
  `GRACE_PERIOD:${GRACE_PERIOD}s`,
  `UPLOAD_EXPIRY:${UPLOAD_EXPIRY}s`,
  `ORPHAN_AGE:${ORPHAN_AGE}s`,
  "DELETED_BYTES_KEPT:0",
];
const { variables: storeVariables, needsS3, outer } = await openStore(values.store, { port, state });
variables.push(...asVars(storeVariables));
const others = Object.keys(databases).slice(1);
const configured =
  needsS3 || others.length > 0 ? configWith(workspace, { databases: others, s3: needsS3 }) : undefined;
const config = configured === undefined ? {} : { BERTH_CONFIG: configured };
// One segment is in none of both: there is nothing to do in DB but what users do.
const PLACES: Record<string, string> = values.databases === "3" ? { soak: "DB_2", "soak-c": "DB_3" } : {};
variables.push(
  `DATABASES:${Object.entries(PLACES)
    .map((place) => place.join("="))
    .join(" ")}`,
);
/** The registry's own entry, or one whose bindings fail. */
const entry = values.faults ? { BERTH_ENTRY: join(import.meta.dirname, "worker.ts") } : {};
const service = new Service(
  "npm",
  ["start", "--", ...variables.flatMap((variable) => ["--var", variable])],
  join(workspace, "registry.log"),
  {
    cwd: ROOT,
    env: { PORT: String(port), BERTH_STATE: state, BERTH_ADMIN_PASSWORD: password, ...entry, ...config },
  },
);
const world = new World((repository) => PLACES[repository.split("/")[0] ?? ""] ?? "DB");
let failed = true;
try {
  const client = clientAt(`http://127.0.0.1:${port}`, `Basic ${btoa(`admin:${password}`)}`, () => {
    world.counts.refusals++;
  });
  await service.ready(async () => (await client.send("GET", "/v2/")).ok);
  if (values.faults) console.log(`one call in ${ONE_IN} fails: --seed ${seed}`);
  await setFaults(client, ONE_IN);
  await work(client);
  await setFaults(client, 0);
  await settle(client);
  await service.stop();
  const left = await inspect();
  print(left);
  failed = complaints(left).length > 0;
  for (const complaint of complaints(left)) console.error(complaint);
} catch (error) {
  console.error(error);
} finally {
  await service.stop();
  outer?.stop();
  rmSync(workspace, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

async function work(client: Client): Promise<void> {
  const until = Date.now() + seconds * 1000;
  // A HEAD refreshes its mark only in the last quarter: three quarters of the grace period are sure.
  const vouched = GRACE_PERIOD * 750;
  await Promise.all([
    ...Array.from({ length: 4 }, () => repeat(until, 50, () => push(world, client, vouched))),
    ...Array.from({ length: 2 }, () => repeat(until, 50, () => pull(world, client))),
    ...Array.from({ length: 2 }, () => repeat(until, 50, () => remove(world, client))),
    repeat(until, 200, () => retag(world, client)),
    ...Object.keys(databases).map((name) => repeat(until, 1000, () => collect(world, client, name))),
    ...(values.faults
      ? [repeat(until, 1000, () => vandalise(world, client)), repeat(until, 2000, () => reset(world, client))]
      : []),
  ]);
}

/** @param oneIn of how many calls one fails; 0 for none */
async function setFaults(client: Client, oneIn: number): Promise<void> {
  if (values.faults) await client.expect([200], "POST", `/soak/faults?one-in=${oneIn}&seed=${seed}`);
}

/** Everything that lives pulls whole; then time passes, and collection takes what is left. */
async function settle(client: Client): Promise<void> {
  for (const image of world.images) await pull(world, client, image);
  // Records of doomed keys stand for a minute; objects go at once.
  await sleep((GRACE_PERIOD + ORPHAN_AGE + 2) * 1000);
  for (let run = 0; run < 3; run++)
    for (const name of Object.keys(databases)) await collect(world, client, name);
  for (const image of world.images) await pull(world, client, image);
}

interface Rows {
  prepare(sql: string): { all(): Promise<{ results: { object_key: string }[] }> };
}

/** Counts in the state on disk: rows without an object, and objects without a row. */
async function inspect(): Promise<{ objects: number; dangling: number; orphans: number }> {
  const { env, dispose } = await getPlatformProxy<
    Record<string, unknown> & {
      BUCKET: {
        list(options: object): Promise<{ objects: { key: string }[]; truncated: boolean; cursor?: string }>;
      };
    }
  >({ configPath: storageConfig(), persist: { path: join(state, "v3") } });
  const named = new Set<string>();
  for (const [name, area] of Object.entries(databases)) {
    const { results } = await (env[name] as Rows)
      .prepare(
        "SELECT object_key FROM blobs UNION ALL SELECT object_key FROM manifests WHERE object_key IS NOT NULL",
      )
      .all();
    for (const { object_key: key } of results) named.add(area + key);
  }
  const keys = outer === null ? [] : await keysOf(outer.objects);
  for (let cursor: string | undefined, more = outer === null; more; ) {
    const page = await env.BUCKET.list({ cursor });
    for (const { key } of page.objects) keys.push(key);
    more = page.truncated;
    cursor = page.cursor;
  }
  await dispose();
  // Whose bucket it is says an object that no row names.
  const objects = new Set(keys.filter((key) => !/(^|\/)registry\//.test(key)));
  return {
    objects: objects.size,
    dangling: [...named].filter((key) => !objects.has(key)).length,
    orphans: [...objects].filter((key) => !named.has(key)).length,
  };
}

/** The project's configuration, without the Durable Objects that only a Worker can serve. */
function storageConfig(): string {
  const path = join(workspace, "wrangler.toml");
  const whole = readFileSync(configured ?? join(ROOT, "wrangler.toml"), "utf8");
  writeFileSync(
    path,
    whole.replace(/\[\[(durable_objects\.bindings|migrations)\]\][^[]*(\[[^[]*\]\n)?/g, ""),
  );
  return path;
}

/** Why the soak has failed: also when it proves nothing. */
function complaints(left: { objects: number; dangling: number; orphans: number }): string[] {
  const { counts, collections, losses, images } = world;
  // Each database has its own.
  const needed = new Set(
    [...images].flatMap(({ repository, blobs }) =>
      blobs.map((blob) => `${world.databaseOf(repository)} ${blob}`),
    ),
  ).size;
  const checks: [failed: boolean, why: string][] = [
    [losses.length > 0, "something was lost"],
    [left.dangling > 0, "rows without an object"],
    [left.orphans > 0, "objects without a row"],
    [left.objects !== needed, `${left.objects} objects are left, ${needed} are needed`],
    // A store that fails four times in a row ends a run; the next one goes on.
    [collections.failures > (values.faults ? 2 : 0), "collections failed"],
    [values.faults && (counts.refusals === 0 || counts.vanished === 0), "hardly anything was broken"],
    [!values.faults && counts.refusals > 0, "something was answered 503"],
    [collections.runs < seconds / 10 || collections.objects === 0, "hardly anything was collected"],
    [counts.pushes === 0 || counts.pulls === 0, "hardly anything was pushed or pulled"],
    [counts.tooSlow > counts.pushes, "most pushes were too slow to prove anything"],
  ];
  return checks.filter(([failed]) => failed).map(([, why]) => why);
}

function print(left: { objects: number; dangling: number; orphans: number }): void {
  const { counts, collections } = world;
  console.log(
    [
      `${seconds} s: ${counts.pushes} pushes (${counts.skipped} blobs found, ${counts.mounts} mounted, ${counts.aborts} uploads aborted, ${counts.tooSlow} pushes too slow),`,
      `${counts.pulls} pulls, ${counts.retags} retags, ${counts.deletions} deletions`,
      `${collections.runs} collections: ${collections.objects} objects deleted, ${collections.bytes} bytes reclaimed, ${collections.failures} failed`,
      `${counts.refusals} answers 503, ${counts.vanished} objects vanished, ${counts.resets} sessions reset, ${counts.overtaken} pushes refused because of what had vanished`,
      `left: ${world.images.size} images, ${left.objects} objects, ${left.dangling} dangling rows, ${left.orphans} orphans`,
      `losses: ${world.losses.length}`,
    ].join("\n"),
  );
}

/**
 * Every call of the database, the bucket and the upload sessions fails: each once, all others working; all of them
 * once, in the same play; and each until the registry gives up. Before it is made, and after it was made with its
 * answer lost. Which calls there are is recorded, not listed.
 */

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { forgetKeys } from "../../src/auth/tokens.ts";
import { parseUserEntry } from "../../src/auth/user-entry.ts";
import { collectGarbage } from "../../src/gc/collect.ts";
import { forgetMigrated } from "../../src/routes/unavailable.ts";
import { putRaiseMark } from "../../src/storage/hashes.ts";
import r2 from "../../src/storage/objects/r2.ts?raw";
import door from "../../src/storage/upload/client.ts?raw";
import { expectSound, objectKeys } from "../gc/support.ts";
import { finishBackground } from "../support/background.ts";
import { setDaysAhead } from "../support/clock.ts";
import { breakCall, breakEveryCall, type Call, healAll, recordCalls, wasBroken } from "../support/faults.ts";
import { digestOfManifest, imageOf } from "../support/images.ts";
import { putManifest, request, sha256, textOf } from "../support/registry.ts";
import { setVariables, withVariables } from "../support/settings.ts";
import { STATEMENTS } from "../support/statements.ts";
import { HASH } from "../support/users.ts";
import { PatientClient } from "./patient-client.ts";
import { type Kept, SCENARIOS, type Scenario } from "./scenarios.ts";

const log: string[] = [];

beforeEach(async () => {
  log.length = 0;
  // What the first request of an isolate asks of a store over HTTP. Asked anew behind the answers of a hundred plays,
  // it would stop workerd, timers and all.
  await request("GET", "/v2/");
  await finishBackground();
  // The first play that is days later would raise the hash, and make calls that the others do not.
  const fingerprint = parseUserEntry(HASH)?.fingerprint ?? "";
  await putRaiseMark(env.USERS, "admin", { fingerprint, at: Number.MAX_SAFE_INTEGER });
  for (const level of ["info", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((line) => log.push(String(line)));
  }
});
afterEach(() => vi.restoreAllMocks());

/** All that was called by what was played. */
const met = new Set<string>();

/** Null: nothing fails. */
type Fault =
  | { kind: "each call fails once"; when: "before" | "after" }
  | { kind: "one call fails once" | "one call fails for ever"; when: "before" | "after"; index: number }
  | null;

let plays = 0;

interface Played {
  calls: Call[];
  kept: Kept;
  client: PatientClient;
}

function begin(fault: Fault): Call[] {
  if (fault === null) return recordCalls();
  return fault.kind === "each call fails once"
    ? breakEveryCall(fault.when)
    : breakCall(fault.index, fault.when, fault.kind === "one call fails for ever");
}

/** Plays a scenario with a fault in it, or without one. */
async function play(scenario: Scenario, fault: Fault, prepared: Prepared | null = null): Promise<Played> {
  const { id, known } = prepared ?? (await prepare(scenario));
  forgetKeys();
  forgetMigrated();
  setDaysAhead(scenario.wait ?? 0);
  const client = new PatientClient(log);
  const calls = begin(fault);
  try {
    const kept = await scenario.play(client, id, known);
    if (!wasBroken()) client.complain("the call never came");
    return { calls: [...calls], kept, client };
  } finally {
    healAll();
    setVariables();
    setDaysAhead(0);
  }
}

interface Prepared {
  id: string;
  known: string;
}

async function prepare(scenario: Scenario): Promise<Prepared> {
  const id = String(++plays);
  return { id, known: (await scenario.prepare?.(id)) ?? "" };
}

/** What was acknowledged is there, to the byte. @returns what is not */
async function missing({ name, blobs = [], manifests = [] }: Kept): Promise<string[]> {
  const wrong: string[] = [];
  for (const blob of blobs) {
    const response = await request("GET", `/v2/${name}/blobs/${sha256(blob)}`);
    if (sha256(new Uint8Array(await response.arrayBuffer())) !== sha256(blob))
      wrong.push(`${name}'s ${blob}`);
  }
  for (const manifest of manifests) {
    const response = await request("GET", `/v2/${name}/manifests/${digestOfManifest(manifest)}`);
    if ((await textOf(response)) !== JSON.stringify(manifest)) wrong.push(`a manifest of ${name}`);
  }
  return wrong.map((what) => `lost: ${what}`);
}

/** Makes a manifest of what was kept, so that no collection may take it. @returns the paths that must answer 200 from then on */
async function hold({ name, blobs = [], manifests = [] }: Kept): Promise<string[]> {
  if (blobs.length > 0) {
    const [config = "", ...layers] = blobs;
    const response = await putManifest(name, "held", imageOf(config, layers));
    if (response.status !== 201) throw new Error(`what ${name} has cannot be held: ${response.status}`);
  }
  return [
    ...blobs.map((blob) => `/v2/${name}/blobs/${sha256(blob)}`),
    ...manifests.map((manifest) => `/v2/${name}/manifests/${digestOfManifest(manifest)}`),
  ];
}

/** Time passes, and collection takes what nothing needs: then every object is named by a row. */
async function settle(): Promise<void> {
  await env.DB.prepare("UPDATE gc_state SET lease_expires_at = 1").run();
  for (const days of [10, 20, 30]) {
    setDaysAhead(days);
    const report = await collectGarbage(withVariables(env), { dryRun: false, force: true });
    expect([report?.error, report?.unfinished]).toEqual([null, []]);
  }
  setDaysAhead(0);
  await expectSound();
  const rows = await env.DB.prepare(
    "SELECT object_key FROM blobs UNION ALL SELECT object_key FROM manifests WHERE object_key IS NOT NULL",
  ).all<{ object_key: string }>();
  expect(await objectKeys()).toEqual(rows.results.map(({ object_key }) => object_key).sort());
}

/**
 * Of each call that the rehearsal had, and of all of them together. One that is made often fails once in its first
 * place. One that only reads fails by itself before it is made: it is no other when its answer is lost.
 */
function faultsFor(calls: Call[]): Fault[] {
  return (["before", "after"] as const).flatMap((when): Fault[] => {
    const all = [...calls.keys()].filter((index) => when === "before" || !onlyReads(calls[index] as Call));
    const alone = all.filter((index) => firstLike(calls, index) === index);
    return [
      { kind: "each call fails once", when },
      ...alone.map((index): Fault => ({ kind: "one call fails once", when, index })),
      ...all.map((index): Fault => ({ kind: "one call fails for ever", when, index })),
    ];
  });
}

function onlyReads({ name, statements }: Call): boolean {
  if (!name.startsWith("DB.")) return /\.(get|head|list)$/.test(name);
  return statements.every((sql) => !/\b(INSERT|UPDATE|DELETE)\b/.test(sql));
}

function firstLike(calls: Call[], index: number): number {
  const identities = calls.map(({ name, statements }) => [name, ...statements].join("\n"));
  return identities.indexOf(identities[index] ?? "");
}

/** How many answers of 503 the client may see. A body is gone with the call that carries it: only the client can send it again. */
function mostRefusals(fault: Fault, calls: Call[]): number {
  if (fault?.kind === "one call fails once") return calls[fault.index]?.carriesBody ? 1 : 0;
  if (fault?.kind === "each call fails once") return calls.filter(({ carriesBody }) => carriesBody).length;
  return Number.POSITIVE_INFINITY;
}

function nameOf(fault: Fault, calls: Call[]): string {
  if (fault === null) return "nothing fails";
  const { kind, when } = fault;
  if (kind === "each call fails once") return `${kind} ${when}`;
  const { name, statements } = calls[fault.index] as Call;
  return `${kind} ${when}: ${fault.index} ${name} ${statements.join("; ").slice(0, 100)}`;
}

describe("every call fails, and nothing is lost", () => {
  test.each(SCENARIOS)("$title", { timeout: 900_000 }, async (scenario) => {
    const shared = scenario.changesNothing === true ? await prepare(scenario) : null;
    const rehearsal = await play(scenario, null, shared);
    expect([rehearsal.client.complaints, rehearsal.client.refusals]).toEqual([[], 0]);
    expect(rehearsal.calls.length).toBeGreaterThan(0);
    const held = await hold(rehearsal.kept);
    const complaints: string[] = [];
    for (const fault of faultsFor(rehearsal.calls)) {
      const what = nameOf(fault, rehearsal.calls);
      try {
        const { calls, kept, client } = await play(scenario, fault, shared);
        note(calls);
        if (client.refusals > mostRefusals(fault, rehearsal.calls)) client.complain("it is seen");
        for (const why of [...client.complaints, ...(await missing(kept))])
          complaints.push(`${what}: ${why}`);
        held.push(...(await hold(kept)));
      } catch (error) {
        complaints.push(`${what}: ${error}`);
      }
    }
    expect(complaints).toEqual([]);
    await expectSound();
    await settle();
    for (const path of held) expect([path, (await request("HEAD", path)).status]).toEqual([path, 200]);
  });
});

function note(calls: Call[]): void {
  for (const { name, statements } of calls) for (const one of [name, ...statements]) met.add(one);
}

/** What belongs to no push, pull, deletion or collection; a scrub's failures are tested in test/gc/scrub.test.ts. */
const ELSEWHERE: RegExp[] = [
  /^scrub\//,
  /^catalog-cursor\.ts/,
  // Only read, for pages: test/web.
  /^browse\//,
  // Only read, or behind the answer: test/audit.
  /^audit-log\.ts/,
  /^audit\.ts .* 'log-in'/,
  // Only of pages: test/web/session.test.ts and test/web/users.test.ts.
  /^(ended-sessions|user-changes)\.ts/,
  // Only behind answers, or read: test/api/status.test.ts.
  /^(counters|status)\.ts/,
  // Only where objects move between stores: test/gc/migrate-store.test.ts.
  /^whereabouts\.ts/,
  // Only where there are several databases: test/databases.
  /^relocation\//,
  /^garbage\/runs\.ts SELECT started_at/,
  // Only read, for a page: test/web/admin.test.ts.
  /^usage-days\.ts SELECT/,
  // Only of few orphans, and not by force: test/gc/bucket.test.ts.
  /^garbage\/objects\.ts SELECT EXISTS/,
  // Only when too many uploads are open: test/api/upload-limits.test.ts.
  /^open-uploads\.ts SELECT count/,
  // Only behind a lost answer and then a refusal: test/api/push-manifests.test.ts.
  /^manifest-object\.ts INSERT INTO doomed_objects/,
];

describe("what was made to fail", () => {
  test("is every statement of the source", () => {
    const left = STATEMENTS.filter(
      ({ sql, file }) => !met.has(sql) && !ELSEWHERE.some((one) => one.test(`${file} ${sql}`)),
    );
    expect(left).toEqual([]);
  });

  // Stores over HTTP have no call of that name for each of R2's.
  test.skipIf(inject("store") !== "r2")("is every call of the bucket", () => {
    const called = [...r2.matchAll(/(?:#bucket|#resume\(\w+\))\s*\.(\w+)\(/g)].map(([, method]) => method);
    const methods = new Set(called.filter((method) => method !== "resumeMultipartUpload"));
    expect([...methods].sort()).toEqual(
      [...met]
        .filter((name) => name.startsWith("BUCKET."))
        .map((name) => name.replace("BUCKET.", ""))
        .sort(),
    );
  });

  test("is every call of an upload session", () => {
    const called = [...door.matchAll(/\bsession\.(\w+)\(/g)].map(([, method]) => `UPLOADS.${method}`);
    expect([...new Set(called)].sort()).toEqual(
      [...met].filter((name) => name.startsWith("UPLOADS.")).sort(),
    );
  });
});

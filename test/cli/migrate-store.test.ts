/** `berth migrate-store`, against a registry that answers as it is told. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ending, runBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const NOTHING = {
  phase: "blobs",
  checked: 10,
  moved: 4,
  bytes: 500_000,
  healed: [],
  quarantined: [],
  missing: [],
  damaged: [],
  done: false,
  again: null,
};
const LAST = { ...NOTHING, next: null, done: true };

let registry: ScriptedServer;
beforeEach(async () => {
  registry = await new ScriptedServer().listen();
});
afterEach(() => registry.close());

/** Answers one after the other; the last one for ever. */
function script(...pages: Record<string, unknown>[]): void {
  registry.reply = (_, response) => json(response, 200, pages.length > 1 ? pages.shift() : pages[0]);
}

function migrate(...args: string[]): Promise<Ending> {
  return runBerth(["migrate-store", "--registry", registry.origin, ...args]);
}

describe("migrate-store", () => {
  test("goes through all pages, sums up, and says what to do then", async () => {
    script({ ...NOTHING, next: "blobs:1" }, { ...NOTHING, next: "manifests:" }, LAST);
    const { code, stdout, stderr } = await migrate();
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("12 moved. 30 checked (1.5 MB)");
    expect(stdout).toContain("take STORE_FALLBACK away");
    expect(registry.asked.map(({ method, url }) => `${method} ${decodeURIComponent(url)}`)).toEqual([
      "POST /v2/_berth/migrate-store",
      "POST /v2/_berth/migrate-store?after=blobs:1",
      "POST /v2/_berth/migrate-store?after=manifests:",
    ]);
  });

  test("goes on from where it is told to, and says which store is meant", async () => {
    script(LAST);
    await migrate("--to", "s3", "--after", "blobs:1");
    expect(decodeURIComponent(registry.asked[0]?.url ?? "")).toMatch(/\?after=blobs:1&to=s3$/);
  });

  test("fails when something is wrong in the old store, and says what", async () => {
    const wrong = { kind: "blob", digest: "sha256:ee", objectKey: "k", detail: "differs" };
    script({ ...LAST, quarantined: [wrong] });
    const { code, stdout } = await migrate();
    expect([code, stdout]).toEqual([1, expect.stringContaining("blob  sha256:ee  differs (k)")]);
  });

  test("fails when it was not the last that is needed, and says when to come again", async () => {
    script({ ...LAST, done: false });
    const late = await migrate();
    expect([late.code, late.stdout]).toEqual([
      1,
      expect.stringContaining("an upload ended in the old store"),
    ]);
    expect(late.stdout).not.toContain("take STORE_FALLBACK away");
    script({ ...LAST, done: false, again: Date.UTC(2026, 0, 2, 3, 4, 5) });
    const early = await migrate("--json");
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining("at 03:04 UTC or later")]);
    expect(JSON.parse(early.stdout)).toMatchObject({ done: false, next: null });
  });

  test("--accept asks for that and nothing else", async () => {
    registry.reply = (_, response) => json(response, 200, { accepted: true });
    const { code, stdout } = await migrate("--accept");
    expect([code, stdout]).toEqual([0, expect.stringContaining("STORE_FALLBACK")]);
    expect(registry.asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "POST /v2/_berth/migrate-store?accept=true",
    ]);
  });

  test("prints one document with --json", async () => {
    const wrong = { kind: "blob", digest: "sha256:ee", objectKey: "k", detail: "differs" };
    script({ ...NOTHING, next: "blobs:1" }, { ...LAST, quarantined: [wrong] });
    const { stdout } = await migrate("--json");
    expect(JSON.parse(stdout)).toMatchObject({ moved: 8, next: null, quarantined: [wrong], missing: [] });
  });

  test("that does not get any further says how to go on, and not that it is through", async () => {
    script({ ...NOTHING, next: "blobs:1" });
    const { code, stdout, stderr } = await migrate();
    expect([code, stderr]).toEqual([1, expect.stringContaining("Go on with --after blobs:1")]);
    expect(stdout).not.toContain("STORE_FALLBACK");
  });

  test("tells what the registry refuses", async () => {
    registry.reply = (_, response) =>
      json(response, 409, { errors: [{ code: "UNSUPPORTED", message: "STORE_FALLBACK names no store" }] });
    const { code, stderr } = await migrate();
    expect([code, stderr]).toEqual([1, expect.stringContaining("STORE_FALLBACK names no store")]);
  });
});

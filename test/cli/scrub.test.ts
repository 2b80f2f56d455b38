/** `berth scrub`, against a registry that answers as it is told. */

import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Ending, ending, runBerth, startBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

const NOTHING = {
  phase: "blobs",
  checked: 10,
  bytes: 500_000,
  healed: [],
  quarantined: [],
  missing: [],
  damaged: [],
};
const HEALED = [{ kind: "blob", digest: "sha256:aa", detail: "another object has it" }];
const DAMAGED = [{ repository: "team/app", digest: "sha256:bb", tags: ["1", "2"], missing: ["sha256:cc"] }];
const CURSOR = "blobs it's:7";

let registry: ScriptedServer;
beforeEach(async () => {
  registry = await new ScriptedServer().listen();
});
afterEach(() => registry.close());

/** Answers one after the other; the last one for ever. */
function script(...pages: (Record<string, unknown> | ((response: ServerResponse) => void))[]): void {
  registry.reply = (_, response) => {
    const page = pages.length > 1 ? pages.shift() : pages[0];
    if (typeof page === "function") page(response);
    else json(response, 200, page);
  };
}

function scrub(...args: string[]): Promise<Ending> {
  return runBerth(["scrub", "--registry", registry.origin, ...args]);
}

function asked(): string[] {
  return registry.asked.map(({ method, url }) => `${method} ${decodeURIComponent(url.replaceAll("+", " "))}`);
}

describe("a scrub", () => {
  test("goes through all pages, sums up, and is well when all is", async () => {
    script({ ...NOTHING, next: CURSOR }, { ...NOTHING, next: "objects:1" }, { ...NOTHING, next: null });
    const { code, stdout, stderr } = await scrub("--rebuild");
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: "30 checked (1.5 MB): 0 healed, 0 quarantined, 0 missing, 0 damaged.\n",
      stderr: "",
    });
    expect(asked()).toEqual([
      "POST /v2/_berth/scrub?rebuild=true",
      `POST /v2/_berth/scrub?after=${CURSOR}&rebuild=true`,
      "POST /v2/_berth/scrub?after=objects:1&rebuild=true",
    ]);
  });

  test("that healed everything is well, and tells what it healed", async () => {
    script({ ...NOTHING, next: null, healed: HEALED });
    const { code, stdout } = await scrub();
    expect([code, stdout.split("\n")[0]]).toEqual([0, "healed       blob  sha256:aa  another object has it"]);
  });

  test.each([
    ["damaged", DAMAGED, "team/app:1, :2 (sha256:bb) lacks sha256:cc"],
    ["missing", [{ kind: "blob", digest: "sha256:dd" }], "blob  sha256:dd"],
    [
      "quarantined",
      [{ kind: "blob", digest: "sha256:ee", objectKey: "k", detail: "differs" }],
      "blob  sha256:ee  differs (k)",
    ],
  ])("that finds something %s is not well", async (kind, found, line) => {
    script({ ...NOTHING, next: "x", [kind]: found }, { ...NOTHING, next: null });
    const { code, stdout } = await scrub();
    expect([code, stdout]).toEqual([1, expect.stringContaining(line)]);
    expect(stdout).toContain(`1 ${kind}`);
  });

  test("prints one JSON document when asked to", async () => {
    script({ ...NOTHING, next: "x", healed: HEALED }, { ...NOTHING, next: null, damaged: DAMAGED });
    const { code, stdout } = await scrub("--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      ...{ checked: 20, bytes: 1_000_000, healed: HEALED, quarantined: [], missing: [], damaged: DAMAGED },
      next: null,
    });
  });

  test("asks for a page again that a restart or a cut has lost", async () => {
    const cut = (response: ServerResponse) => response.destroy();
    const away = (response: ServerResponse) => json(response, 503, {});
    script({ ...NOTHING, next: "x" }, cut, away, { ...NOTHING, next: null });
    const { code, stdout, stderr } = await scrub();
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^20 checked/)]);
    expect(stderr).toMatch(/503 Service Unavailable; trying again in 1 s/);
    expect(asked().slice(1)).toEqual(Array(3).fill("POST /v2/_berth/scrub?after=x"));
  });

  test("that fails says what it found, and how to go on", async () => {
    const denied = (response: ServerResponse) => json(response, 403, { errors: [{ code: "DENIED" }] });
    script({ ...NOTHING, next: CURSOR, damaged: DAMAGED }, denied);
    const { code, stdout, stderr } = await scrub("--rebuild");
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^damaged .*\n10 checked/)]);
    expect(stderr).toBe(
      `Go on with: npx berth scrub --registry ${registry.origin} --rebuild --after 'blobs it'\\''s:7'\n` +
        `berth: ${registry.host} answered 403 DENIED.\n`,
    );
  });

  test("that is interrupted says how to go on, and goes on there", async () => {
    script({ ...NOTHING, next: CURSOR }, () => {});
    const child = startBerth(["scrub", "--registry", registry.origin]);
    const ended = ending(child);
    await expect.poll(() => registry.asked.length).toBe(2);
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([130, expect.stringMatching(/^Go on with: .* --after 'blobs it/)]);
    script({ ...NOTHING, next: null });
    await scrub("--after", CURSOR);
    expect(asked().at(-1)).toBe(`POST /v2/_berth/scrub?after=${CURSOR}`);
  });

  test("ends when the registry does not get further, and on wrong arguments", async () => {
    script({ ...NOTHING, next: "x" });
    const { code, stderr } = await scrub();
    expect([code, stderr]).toEqual([1, expect.stringContaining("does not get any further")]);
    expect((await scrub("--nonsense")).code).toBe(2);
  });
});

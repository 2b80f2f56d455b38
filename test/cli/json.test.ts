/** `--json`: whatever a command prints for people, it prints for programs. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadAll } from "../../src/cli/commands.ts";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { Cloudflare } from "./support/cloudflare.ts";
import { Layout } from "./support/images.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";
import { ending, runBerth, startBerth } from "./support/program.ts";
import { json, ScriptedServer } from "./support/scripted-server.ts";

let registry: ScriptedServer;
let folder: string;
beforeEach(async () => {
  registry = await new ScriptedServer().listen();
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
});
afterEach(() => {
  registry.close();
  rmSync(folder, { recursive: true });
});

const POLICY = { name: "p", rule: { kind: "immutable", repositories: ["**"], tags: ["*"], except: [] } };
const QUOTA = { name: "q", repositories: "**", allowed: 5, used: 3 };
const TOKEN = { name: "t", owner: "a", access: [], createdAt: 0, expiresAt: null, lastUsedAt: null };
const RUN = {
  ...{ startedAt: 0, duration: 1, dryRun: false, outcome: "complete", error: null },
  ...{ taken: {}, unfinished: [], objectsDeleted: 0, entries: [] },
};

test.each([
  ["policy set p --repositories **", POLICY, [POLICY]],
  ["policy list", { policies: [POLICY, POLICY] }, [POLICY, POLICY]],
  ["quota set q --repositories ** --bytes 5", QUOTA, [QUOTA]],
  ["quota list", { quotas: [QUOTA] }, [QUOTA]],
  ["token create t", { ...TOKEN, token: "secret" }, [{ ...TOKEN, token: "secret" }]],
  ["token list", { tokens: [TOKEN] }, [TOKEN]],
  ["gc", RUN, [RUN]],
  ["gc --list", { runs: [RUN, RUN] }, [RUN, RUN]],
  ["policy remove p", {}, [{ name: "p", removed: true }]],
  ["quota remove q", {}, [{ name: "q", removed: true }]],
  ["token revoke t", {}, [{ name: "t", revoked: true }]],
  ["token revoke --all", {}, [{ name: null, revoked: true }]],
  ["migrate-store --accept", {}, [{ accepted: true }]],
])("%s", async (command, answer, printed) => {
  registry.reply = (_, response) => json(response, 200, answer);
  const args = [...command.split(" "), "--json", "--registry", registry.origin];
  const { code, stdout } = await runBerth(args, { env: { DOCKER_CONFIG: folder } });
  const lines = stdout.trim().split("\n");
  expect([code, lines.map((line) => JSON.parse(line))]).toEqual([0, printed]);
});

test("push", async () => {
  const memory = await new MemoryRegistry().listen();
  const layout = new Layout(join(folder, "layout"));
  const { digest } = layout.image("layer");
  layout.index({ mediaType: OCI_MANIFEST, digest, size: 1 });
  const target = `${memory.origin}/app:1`;
  const env = { DOCKER_CONFIG: folder, XDG_CACHE_HOME: folder };
  const { stdout } = await runBerth(["push", layout.folder, target, "--json"], { env });
  memory.close();
  expect(JSON.parse(stdout)).toMatchObject({ target, digest, sent: 2, sentBytes: 16 });
});

test("user", async () => {
  const cloudflare = (await Cloudflare.listen()).deployed().migrated();
  const user = async (...args: string[]): Promise<unknown[]> => {
    const around = { env: cloudflare.env, input: "a password" };
    const { code, stdout, stderr } = await runBerth(["user", ...args, "--json", "--remote"], around);
    expect([code, stderr]).toEqual([0, ""]);
    return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
  };
  const rules = join(folder, "rules.json");
  const access = [{ repositories: ["**"], actions: ["pull", "push", "delete"] }];
  const rule = { issuer: "https://issuer.example.com", claims: { sub: "a" }, access };
  writeFileSync(rules, JSON.stringify({ main: rule }));
  const bob = { name: "bob", valid: true, access, admin: false };
  expect(await user("add", "bob")).toEqual([bob]);
  expect(await user("passwd", "bob")).toEqual([bob]);
  expect(await user("remove", "bob")).toEqual([{ name: "bob", removed: true }]);
  expect(await user("rules", "--check", rules)).toEqual([{ rules: 1, valid: true }]);
  expect(await user("rules", "--import", rules)).toEqual([{ name: "main", outcome: "new" }]);
  expect(await user("rotate-key")).toEqual([{ rotated: true, now: false }]);
  cloudflare.close();
});

test("relay", async () => {
  registry.reply = (_, response) => {
    response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
    json(response, 200, {});
  };
  const relay = startBerth(["relay", registry.origin, "--listen", "0", "--json"]);
  relay.stdout?.once("data", () => relay.kill());
  const { stdout } = await ending(relay);
  expect(JSON.parse(stdout)).toEqual({
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    registry: registry.origin,
  });
});

test("cost --teams", async () => {
  const { stdout } = await runBerth(["cost", "--teams", "--json"]);
  expect(JSON.parse(stdout)).toEqual(
    [5, 50, 500].map((people) => expect.objectContaining({ people, berth: expect.anything() })),
  );
});

test.each(["status", "gc", "scrub"])(
  "%s prints nothing that could be taken for an answer, where there is none",
  async (command) => {
    registry.reply = (_, response) => json(response, 403, { errors: [{ code: "DENIED", message: "no" }] });
    const args = [...command.split(" "), "--json", "--registry", registry.origin];
    const { code, stdout, stderr } = await runBerth(args, { env: { DOCKER_CONFIG: folder } });
    expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(/^berth: .*DENIED.*\n$/)]);
  },
);

/** It prints a shell's script, and nothing else. */
const WITHOUT = /^completion$/;

test("is an option of every command that has something to tell", async () => {
  const lacking: string[] = [];
  const visit = (command: Command, name: string): void => {
    for (const each of command.commands) visit(each, `${name} ${each.name()}`);
    const takes = command.options.some(({ long }) => long === "--json");
    if (command.commands.length === 0 && !takes && !WITHOUT.test(name)) lacking.push(name);
  };
  for (const command of await loadAll()) visit(command, command.name());
  expect(lacking).toEqual([]);
});

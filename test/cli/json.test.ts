/** `--json`: whatever a command prints for people, it prints for programs. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadAll } from "../../src/cli/commands.ts";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { Layout } from "./support/images.ts";
import { MemoryRegistry } from "./support/memory-registry.ts";
import { runBerth } from "./support/program.ts";
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

/** Those that print nothing but that it is done, or what other programs say. */
const WITHOUT =
  /^(start|relay|deploy|completion|(policy|quota|user) remove|token revoke|user (passwd|rules|rotate-key))$/;

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

/** How the programs ask Cloudflare: as the project's own wrangler asks, with the login that it keeps. */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { execute } from "../../src/cli/database.ts";
import { RemoteUserStore } from "../../src/cli/user-store.ts";
import { Cloudflare } from "./support/cloudflare.ts";
import { ending, runBerth } from "./support/program.ts";
import type { Asked } from "./support/scripted-server.ts";

// wrangler takes seconds to start.
vi.setConfig({ testTimeout: 120_000 });

const ROOT = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
let cloudflare: Cloudflare;
beforeEach(async () => {
  cloudflare = (await Cloudflare.listen()).deployed().migrated();
});
afterEach(() => {
  vi.unstubAllEnvs();
  cloudflare.close();
});

async function wrangler(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, ["node_modules/wrangler/bin/wrangler.js", ...args, "--remote"], {
    cwd: ROOT,
    env: { ...process.env, ...cloudflare.env, CI: "true", NO_COLOR: "1" },
  });
  const { code, stdout, stderr } = await ending(child);
  expect(code, stdout + stderr).toBe(0);
}

/** What was asked of the namespace and the database; their ids are looked up once or each time. */
function asked(): string[] {
  const said = ({ method, url, authorization, body }: Asked) =>
    `${method} ${url} ${authorization} ${body === "" ? "" : JSON.stringify(JSON.parse(body))}`;
  return [...new Set(cloudflare.asked.map(said))].filter((line) => !line.includes("/settings ")).sort();
}

test("asks as wrangler asks", async () => {
  const file = join(folder, "values.json");
  writeFileSync(file, JSON.stringify([{ key: "rule/a", value: "1" }]));
  cloudflare.values.set("a@b", "an entry");
  const users = ["--binding", "USERS"];
  await Promise.all([
    wrangler("kv", "key", "get", "a@b", "--text", ...users),
    wrangler("kv", "key", "list", "--prefix", "rule/", ...users),
    wrangler("kv", "bulk", "put", file, ...users),
    wrangler("kv", "key", "delete", "revoked/a", ...users),
    wrangler("d1", "execute", "DB", "--yes", "--command", "SELECT 1"),
  ]);
  const theirs = asked();
  cloudflare.close();
  cloudflare = (await Cloudflare.listen()).deployed().migrated();
  cloudflare.values.set("a@b", "an entry");
  cloudflare.listed = ["rule/a"];
  for (const [name, value] of Object.entries(cloudflare.env)) vi.stubEnv(name, value);
  const store = new RemoteUserStore();
  expect(await store.get("a@b")).toBe("an entry");
  expect(await store.listRules()).toEqual(["a"]);
  await store.put(new Map([["rule/a", "1"]]));
  await store.remove("revoked/a");
  await execute(true, ["SELECT 1"]);
  expect(theirs).toHaveLength(6);
  expect(asked()).toEqual(theirs);
});

describe("without a token in the environment", () => {
  const home = join(folder, "home");
  mkdirSync(join(home, ".wrangler/config"), { recursive: true });
  writeFileSync(
    join(home, ".wrangler/config/default.toml"),
    'oauth_token = "kept"\nrefresh_token = "refresh"\nexpiration_time = "2999-01-01T00:00:00.000Z"\nscopes = ["account:read"]\n',
  );
  const list = () =>
    runBerth(["user", "list", "--remote"], {
      env: {
        ...cloudflare.env,
        CLOUDFLARE_API_TOKEN: "",
        CLOUDFLARE_ACCOUNT_ID: "",
        HOME: home,
        XDG_CONFIG_HOME: home,
        CI: "true",
      },
    });

  test("takes wrangler's login, and the account that it is for", async () => {
    expect(await list()).toMatchObject({ code: 0, stderr: "There are no users.\n" });
    expect(new Set(cloudflare.asked.map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer kept"]),
    );
    expect(cloudflare.log).toContain("GET /storage/kv/namespaces/users/keys");
  });

  test("asks which account is meant, where the login is for several", async () => {
    cloudflare.accounts.push("other");
    const { code, stderr } = await list();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^berth: The login is for several accounts: /)]);
  });
});

test("what is not deployed yet is said, with what to do", async () => {
  cloudflare.worker = false;
  const { code, stderr } = await runBerth(["user", "list", "--remote"], { env: cloudflare.env });
  expect([code, stderr]).toEqual([
    2,
    "berth: No registry is deployed in this account as berth: run npm run deploy first.\n",
  ]);
});

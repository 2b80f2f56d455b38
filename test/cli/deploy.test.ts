/** `berth deploy`, with the real wrangler on a stand-in for Cloudflare's API: what happens in which order. */

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { compare } from "bcryptjs";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { configWith } from "../e2e/support/configs.ts";
import { Cloudflare } from "./support/cloudflare.ts";
import { type Ending, ending, MAIN, runBerth } from "./support/program.ts";

// wrangler takes seconds to start, and is started three times.
vi.setConfig({ testTimeout: 180_000 });

const MIGRATIONS = readdirSync(resolve(import.meta.dirname, "../../migrations")).sort();
let cloudflare: Cloudflare;
beforeEach(async () => {
  cloudflare = await Cloudflare.listen();
});
afterEach(() => cloudflare.close());

/** Where wrangler keeps logins: none is there. */
const home = mkdtempSync(join(tmpdir(), "berth-test-"));
afterAll(() => rmSync(home, { recursive: true }));

const surroundings = () => ({ ...cloudflare.env, NO_COLOR: "1", HOME: home, XDG_CONFIG_HOME: home });

/** As a build does: nobody can answer, and what is printed is kept. */
const deploy = (...args: string[]) =>
  runBerth(["deploy", ...args], {
    env: { ...surroundings(), CI: "true", BERTH_ADMIN_PASSWORD: "" },
  });

/** As somebody does at a terminal, who is not asked anything. */
async function deployAtTerminal(...args: string[]): Promise<Ending> {
  const line = [process.execPath, MAIN, "deploy", ...args].join(" ");
  const env: NodeJS.ProcessEnv = { ...process.env, ...surroundings(), BERTH_ADMIN_PASSWORD: "" };
  delete env.CI;
  const child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], { env });
  const { code, stdout, stderr } = await ending(child);
  return { code, stdout: stdout.replaceAll("\r\n", "\n"), stderr };
}

/** Where the Worker's code went up, among the statements that went to the database. */
function order(): string[] {
  return cloudflare.log
    .map((line) => (line.startsWith("PUT /workers/scripts/berth") ? "upload" : line))
    .map((line) => (line.endsWith("/query") ? "query" : line))
    .filter((line, index, lines) => /^(upload|query)$/.test(line) && line !== lines[index - 1])
    .filter((line, index, lines) => line !== lines[index - 1]);
}

function applied(): unknown[] {
  const rows = cloudflare.database?.prepare("SELECT name FROM d1_migrations ORDER BY id").all() ?? [];
  return rows.map(({ name }) => name);
}

describe("a deployment", () => {
  test("to an account without a registry creates everything, and then the tables", async () => {
    const { code, stdout } = await deployAtTerminal();
    expect(code, stdout).toBe(0);
    expect(order()).toEqual(["upload", "query"]);
    expect(applied()).toEqual(MIGRATIONS);
    expect(cloudflare).toMatchObject({ worker: true, bucket: true, namespace: true, workersDev: true });
    // And one can log in.
    expect(stdout).toContain("No domain is set");
    const [, password = "", host] = /docker login -u admin -p (\S+) (\S+)\n/.exec(stdout) ?? [];
    expect(host).toBe("berth.account.workers.dev");
    expect(await compare(password, cloudflare.values.get("admin") ?? "")).toBe(true);
    const events = cloudflare.database?.prepare("SELECT action, reference FROM audit_events").all();
    expect(events?.map((event) => ({ ...event }))).toEqual([{ action: "add-user", reference: "admin" }]);
  });

  test("that is repeated makes no second administrator, though the list does not know of the first yet", async () => {
    cloudflare.values.set("admin", "an entry");
    const said = await deploy("--domain", "registry.example.com");
    expect(said.code, said.stderr).toBe(0);
    expect(said.stdout).toMatch(/^ {2}docker login registry\.example\.com {2,}more users: /m);
    // And for a program, with what wrangler says beside it.
    cloudflare.listed = ["alice"];
    const { code, stdout, stderr } = await deploy("--json", "--domain", "registry.example.com");
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      url: "https://registry.example.com",
      administrator: { kind: "there" },
    });
    expect(stderr).toContain("Deployed berth triggers");
    expect([...cloudflare.values]).toEqual([["admin", "an entry"]]);
  });

  test("by a build, over an older one, migrates first, closes workers.dev, and tells no password", async () => {
    cloudflare.deployed();
    const { code, stdout, stderr } = await deploy("--domain", "registry.example.com");
    expect(code, stderr).toBe(0);
    expect(order()).toEqual(["query", "upload"]);
    expect(stdout).toContain("Nobody can log in yet");
    expect(stdout).toContain("\n  npm run user -- add admin --admin --remote\n");
    expect([...cloudflare.values]).toEqual([]);
    expect(applied()).toEqual(MIGRATIONS);
    expect(cloudflare.workersDev).toBe(false);
  });

  test("of a registry that gets a second database migrates the first before the upload, and that one behind it", async () => {
    cloudflare.deployed();
    const { code, stderr } = await runBerth(["deploy", "--domain", "registry.example.com"], {
      env: { ...surroundings(), CI: "true", BERTH_CONFIG: configWith(home, { databases: ["DB_2"] }) },
    });
    expect(code, stderr).toBe(0);
    const steps = cloudflare.log
      .map((line) => /^(PUT \/workers\/scripts\/berth|POST \/d1\/database\/[12])/.exec(line)?.[0].at(-1))
      .filter((step) => step !== undefined)
      .filter((step, index, all) => step !== all[index - 1]);
    // What comes last looks for an administrator, and tells the trail.
    expect(steps.slice(0, 3)).toEqual(["1", "h", "2"]);
    const migrations = cloudflare.second?.prepare("SELECT name FROM d1_migrations ORDER BY id").all() ?? [];
    expect(migrations.map(({ name }) => name)).toEqual(MIGRATIONS);
  });

  test("takes the first administrator's password from the environment, and does not print it", async () => {
    cloudflare.deployed();
    const { code, stdout, stderr } = await runBerth(["deploy", "--domain", "registry.example.com"], {
      env: { ...surroundings(), CI: "true", BERTH_ADMIN_PASSWORD: "from the build" },
    });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^ {2}docker login -u admin registry\.example\.com$/m);
    expect(stdout + stderr).not.toContain("from the build");
    expect(await compare("from the build", cloudflare.values.get("admin") ?? "")).toBe(true);
  });

  test("leaves the old Worker alone when a migration fails", async () => {
    cloudflare.deployed().database?.exec("CREATE TABLE repositories (other)");
    const { code, stderr } = await deploy();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^berth: wrangler d1 migrations apply failed\. Run it again\.$/m);
    expect(order()).toEqual(["query"]);
  });

  test("does nothing while it cannot tell whether there is a database", async () => {
    cloudflare.deployed().refused.push(/\/d1\//);
    const { code, stderr } = await deploy();
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^berth: Nobody can tell whether the database DB exists: Cloudflare answers 500 /m,
    );
    expect(order()).toEqual([]);
  });
});

describe("what the account lacks is said, with what to do, and nothing is done", () => {
  test.each([
    ["login", /^berth: Nobody is logged in to Cloudflare: run npx wrangler login, .+ CLOUDFLARE_API_TOKEN/m],
    [
      "r2",
      /^berth: R2 is not switched on in this account: do so \(https:\/\/dash\S+\), then run this again\.$/m,
    ],
    ["paid", /^berth: This account is on the free plan, .+ choose Workers Paid \(https:\/\/dash\S+\)/m],
  ] as const)("%s", async (lacks, said) => {
    cloudflare.lacks = lacks;
    const { code, stderr } = await deploy();
    expect(code).toBe(1);
    expect(stderr).toMatch(said);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect([cloudflare.worker, order()]).toEqual([false, lacks === "paid" ? ["upload"] : []]);
  });
});

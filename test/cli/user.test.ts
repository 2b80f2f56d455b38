/** `berth user`: on local state, and on a stand-in for Cloudflare's API. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Cloudflare } from "./support/cloudflare.ts";
import { type Ending, runBerth } from "./support/program.ts";

const LIMITED = JSON.stringify({
  hash: "$2y$05$abcdefghijklmnopqrstuuVZxC3HnFwkQ1cQyTn0u9dEkT2m3V8Ge",
  access: [{ repositories: ["team/**"], actions: ["pull"] }],
  admin: false,
});
// wrangler takes seconds to start.
vi.setConfig({ testTimeout: 180_000 });
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a user of the deployed registry", () => {
  let cloudflare: Cloudflare;
  beforeEach(async () => {
    cloudflare = (await Cloudflare.listen()).deployed().migrated();
  });
  afterEach(() => cloudflare.close());
  const user = (args: string[], input = ""): Promise<Ending> =>
    runBerth(["user", ...args, "--remote"], { input, env: cloudflare.env });

  test("is found by its key, while KV's list does not tell of it yet", async () => {
    cloudflare.values.set("bob", LIMITED);
    expect(await user(["add", "bob"], "a password")).toMatchObject({
      code: 2,
      stderr: "berth: bob exists: use passwd or grant.\n",
    });
    expect((await user(["grant", "bob", "--repositories", "other/*", "--actions", "pull"])).code).toBe(0);
    expect(cloudflare.log.filter((line) => line.endsWith("/keys"))).toEqual([]);
    expect(JSON.parse(cloudflare.values.get("bob") ?? "").access).toHaveLength(2);
  });

  test("that is not there is said to be unknown", async () => {
    expect(await user(["passwd", "bob"], "a password")).toMatchObject({
      code: 2,
      stderr: "berth: There is no user bob.\n",
    });
  });

  test("may do everything in repositories, and only an administrator's work when it is said", async () => {
    await user(["add", "bob"], "a password");
    await user(["add", "root", "--admin"], "a password");
    const all = { repositories: ["**"], actions: ["pull", "push", "delete"] };
    expect(JSON.parse(cloudflare.values.get("bob") ?? "")).toMatchObject({ access: [all], admin: false });
    expect(JSON.parse(cloudflare.values.get("root") ?? "")).toMatchObject({ access: [all], admin: true });
  });

  test("with a short password is added only when it is insisted on", async () => {
    const { code, stderr } = await user(["add", "bob"], "7 chars");
    expect([code, stderr]).toEqual([2, expect.stringMatching(/fewer than 8 characters/)]);
    expect(cloudflare.values.size).toBe(0);
    expect((await user(["add", "bob", "--weak"], "7 chars")).code).toBe(0);
  });

  test("is imported with the rights that it has, without an administrator's, or not at all when locked", async () => {
    const hash = `$2y$05$${"a".repeat(53)}`;
    cloudflare.values.set("limited", LIMITED);
    cloudflare.values.set("everything", hash);
    cloudflare.values.set("locked", JSON.stringify({ hash: "{SHA}x", access: [] }));
    const file = join(folder, "users");
    writeFileSync(
      file,
      ["new", "limited", "locked", "everything"].map((name) => `${name}:${hash}\n`).join(""),
    );
    const { code, stdout, stderr } = await user(["import", file]);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: [
        "new: taken, may pull, push, delete in **",
        "limited: taken, may pull in team/**",
        "everything: taken, may do everything\n",
      ].join("\n"),
      stderr: "line 3: not taken, the entry of locked is malformed: remove it first\n",
    });
    expect(cloudflare.values.get("locked")).toContain("{SHA}x");
    expect(JSON.parse(cloudflare.values.get("new") ?? "").admin).toBe(false);
  });

  test("that was removed a moment ago, but is still listed, is left out of a list", async () => {
    cloudflare.values.set("bob", LIMITED);
    cloudflare.listed = ["alice", "bob"];
    expect(await user(["list"])).toMatchObject({ code: 0, stdout: "bob: pull in team/**\n" });
  });

  test("of an htpasswd file is taken with bcrypt alone, and each other line is named", async () => {
    const hash = "$2y$05$abcdefghijklmnopqrstuuVZxC3HnFwkQ1cQyTn0u9dEkT2m3V8Ge";
    const file = join(folder, "users");
    writeFileSync(file, `# comment\nbob:${hash}\nalice:{SHA}xyz\n\nbroken\neve:$apr1$a$b\n`);
    const { code, stdout, stderr } = await user(["import", file]);
    expect([code, stdout]).toEqual([2, "bob: taken, may pull, push, delete in **\n"]);
    expect(stderr).toContain("line 3: not taken, not bcrypt");
    expect(stderr).toContain("line 5: not taken, no colon");
    expect(stderr).toContain("line 6: not taken, not bcrypt");
    expect([...cloudflare.values.keys()]).toEqual(["bob"]);
  });

  test.each([
    ["an empty password", "", ["add", "x"]],
    ["a password above 72 bytes", "x".repeat(73), ["add", "x"]],
    ["a name that is none", "a password", ["add", "a b"]],
    ["a pattern that is none", "a password", ["add", "x", "--repositories", "A B", "--actions", "pull"]],
    ["an action that is none", "a password", ["add", "x", "--repositories", "a", "--actions", "own"]],
  ])("is refused with one line for %s", async (_, input, args) => {
    const { code, stderr } = await user(args, input);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^berth: .*\n$/)]);
    expect(cloudflare.values.size).toBe(0);
  });

  test("is not taken for absent when Cloudflare fails", async () => {
    cloudflare.values.set("bob", LIMITED);
    cloudflare.refused.push(/\/values\//);
    const { code, stderr } = await user(["add", "bob"], "a password");
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^berth: Cloudflare answers 500 10013: refused to GET .*\/values\/bob\n$/),
    ]);
    expect(cloudflare.values.get("bob")).toBe(LIMITED);
  });
});

describe("a change of the deployed registry's users", () => {
  const TEAM = { repositories: ["team/**"], actions: ["pull"] };
  let cloudflare: Cloudflare;
  beforeEach(async () => {
    cloudflare = (await Cloudflare.listen()).deployed();
  });
  afterEach(() => cloudflare.close());
  const user = (args: string[], input = ""): Promise<Ending> =>
    runBerth(["user", ...args, "--remote"], { input, env: cloudflare.env });

  function events(): Record<string, unknown>[] {
    const rows = cloudflare.database?.prepare("SELECT * FROM audit_events ORDER BY at, id").all() ?? [];
    return rows.map((row) => ({ ...row }));
  }

  test("is in the audit trail, with who made it where, and no hash", async () => {
    cloudflare.migrated().values.set("bob", LIMITED);
    const hash = `$2y$05$${"a".repeat(53)}`;
    const file = join(folder, "users");
    writeFileSync(file, `bob:${hash}\nnew:${hash}\nnot a name:${hash}\n`);
    const before = Date.now();
    await user(["add", "alice", "--repositories", "team/**", "--actions", "pull"], "a password");
    await user(["grant", "alice", "--admin"]);
    await user(["passwd", "alice"], "another password");
    await user(["import", file]);
    await user(["remove", "bob"]);
    expect(
      events().map(({ action, reference, detail }) => [action, reference, JSON.parse(String(detail))]),
    ).toEqual([
      ["add-user", "alice", { access: [TEAM], admin: false }],
      ["grant-rights", "alice", { access: [], admin: true }],
      ["change-password", "alice", null],
      [
        "add-user",
        "new",
        { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }], admin: false },
      ],
      ["change-password", "bob", null],
      ["remove-user", "bob", null],
    ]);
    for (const event of events()) {
      expect(event).toMatchObject({
        actor: `${hostname()}#${userInfo().username}`,
        credential: "command line",
        outcome: "done",
      });
      expect(event).toMatchObject({ address: null, user_agent: null, repository: null });
      expect(event.at).toBeGreaterThanOrEqual(before);
    }
    expect(JSON.stringify(events())).not.toContain("$2");
    // So that no page overwrites it while KV lags.
    const claimed = cloudflare.database?.prepare("SELECT name FROM user_changes ORDER BY name").all();
    expect(claimed?.map(({ name }) => name)).toEqual(["alice", "bob", "new"]);
  });

  test("is told of before it is made, so that none is made without", async () => {
    cloudflare.migrated();
    await user(["add", "bob"], "a password");
    const [told, made] = ["/query", "/bulk"].map((end) =>
      cloudflare.log.findIndex((line) => line.endsWith(end)),
    );
    expect(told).toBeGreaterThan(-1);
    expect(told).toBeLessThan(made as number);
    cloudflare.refused.push(/\/d1\//);
    const { code, stderr } = await user(["remove", "bob"]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^berth: The audit trail cannot be written, so nothing is changed: /),
    ]);
    expect([cloudflare.values.has("bob"), cloudflare.values.has("revoked/bob")]).toEqual([true, false]);
  });

  test("that is refused is not in it", async () => {
    cloudflare.migrated().values.set("bob", LIMITED);
    for (const args of [
      ["add", "bob"],
      ["passwd", "nobody"],
      ["remove", "nobody"],
      ["add", "weak"],
    ])
      expect((await user(args, "short")).code).toBe(2);
    expect(events()).toEqual([]);
  });

  test("by a file of many long rules is told of rule by rule, in as many statements as it takes", async () => {
    cloudflare.migrated();
    cloudflare.listed = ["rule/old"];
    const rule = (patterns: number) => ({
      issuer: "https://token.actions.githubusercontent.com",
      claims: { sub: "repo:acme/app:ref:refs/heads/main" },
      access: [{ repositories: Array(patterns).fill("acme/**"), actions: ["pull"] }],
    });
    const rules = {
      a: rule(900),
      b: rule(900),
      c: rule(900),
      d: rule(900),
      endless: rule(1100),
      it: rule(1),
    };
    const file = join(folder, "rules.json");
    writeFileSync(file, JSON.stringify(rules));
    expect((await user(["rules", "--import", file])).code).toBe(0);
    const told = Object.fromEntries(
      events().map(({ action, reference, detail }) => [`${action} ${reference}`, JSON.parse(String(detail))]),
    );
    const { endless, ...others } = rules;
    expect(told).toEqual({
      ...Object.fromEntries(Object.entries(others).map(([name, each]) => [`set-rule ${name}`, each])),
      "set-rule endless": { characters: JSON.stringify(endless).length },
      "remove-rule old": null,
    });
    expect(cloudflare.log.filter((line) => line.endsWith("/query"))).toHaveLength(2);
  });

  test("is made, and says so, where the database has no trail yet", async () => {
    expect(await user(["add", "bob"], "a password")).toMatchObject({
      code: 0,
      stderr:
        "The audit trail does not tell of it: the database has none before npm run deploy has migrated it.\n",
    });
    expect(cloudflare.values.has("bob")).toBe(true);
  });
});

describe("a user of npm start", () => {
  test("is added once, listed, and unknown when it is removed", async () => {
    const user = (args: string[], input = ""): Promise<Ending> =>
      runBerth(["user", ...args], { input, env: { BERTH_STATE: folder } });
    expect((await user(["add", "bob"], "a password")).code).toBe(0);
    expect((await user(["add", "bob"], "a password")).stderr).toMatch(/^berth: bob exists/);
    expect((await user(["list"])).stdout).toBe("bob: pull, push, delete in **\n");
    expect((await user(["remove", "bob"])).code).toBe(0);
    expect((await user(["remove", "bob"])).stderr).toBe("berth: There is no user bob.\n");
  });
});

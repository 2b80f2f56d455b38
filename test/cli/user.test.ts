/** `npm run user`, with the real wrangler: on local state, and on a stand-in for Cloudflare's API. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Cloudflare } from "./support/cloudflare.ts";
import { type Ending, runScript } from "./support/program.ts";

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
    cloudflare = (await Cloudflare.listen()).deployed();
  });
  afterEach(() => cloudflare.close());
  const user = (args: string[], input = ""): Promise<Ending> =>
    runScript("user.ts", [...args, "--remote"], { input, env: cloudflare.env });

  test("is found by its key, while KV's list does not tell of it yet", async () => {
    cloudflare.values.set("bob", LIMITED);
    expect(await user(["add", "bob"], "a password")).toMatchObject({
      code: 2,
      stderr: "user: bob exists: use passwd or grant.\n",
    });
    expect((await user(["grant", "bob", "--repositories", "other/*", "--actions", "pull"])).code).toBe(0);
    expect(cloudflare.log.filter((line) => line.endsWith("/keys"))).toEqual([]);
    expect(JSON.parse(cloudflare.values.get("bob") ?? "").access).toHaveLength(2);
  });

  test("that is not there is said to be unknown", async () => {
    expect(await user(["passwd", "bob"], "a password")).toMatchObject({
      code: 2,
      stderr: "user: There is no user bob.\n",
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

  test("is not taken for absent when Cloudflare fails", async () => {
    cloudflare.values.set("bob", LIMITED);
    cloudflare.refused.push(/\/values\//);
    const { code, stderr } = await user(["add", "bob"], "a password");
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^user: wrangler kv key get failed: .* - 500: /),
    ]);
    expect(cloudflare.values.get("bob")).toBe(LIMITED);
  });
});

describe("a user of npm start", () => {
  test("is added once, and is unknown before and after", async () => {
    const user = (args: string[], input = ""): Promise<Ending> =>
      runScript("user.ts", args, { input, env: { BERTH_STATE: folder } });
    expect((await user(["passwd", "bob"], "a password")).stderr).toBe("user: There is no user bob.\n");
    expect((await user(["add", "bob"], "a password")).code).toBe(0);
    expect((await user(["add", "bob"], "a password")).stderr).toMatch(/^user: bob exists/);
    expect((await user(["remove", "bob"])).code).toBe(0);
    expect((await user(["remove", "bob"])).stderr).toBe("user: There is no user bob.\n");
  });
});

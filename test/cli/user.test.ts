/** `npm run user`, with the real wrangler: on local state, and on a stand-in for Cloudflare's API. */

import { mkdtempSync, rmSync } from "node:fs";
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

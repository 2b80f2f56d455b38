/** `berth deploy`, with the real wrangler on a stand-in for Cloudflare's API: what happens in which order. */

import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Cloudflare } from "./support/cloudflare.ts";
import { runBerth } from "./support/program.ts";

// wrangler takes seconds to start, and is started three times.
vi.setConfig({ testTimeout: 180_000 });

const MIGRATIONS = readdirSync(resolve(import.meta.dirname, "../../migrations")).sort();
let cloudflare: Cloudflare;
beforeEach(async () => {
  cloudflare = await Cloudflare.listen();
});
afterEach(() => cloudflare.close());

const deploy = (...args: string[]) =>
  runBerth(["deploy", ...args], { env: { ...cloudflare.env, CI: "true", NO_COLOR: "1" } });

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
    const { code, stderr } = await deploy();
    expect(code, stderr).toBe(0);
    expect(order()).toEqual(["upload", "query"]);
    expect(applied()).toEqual(MIGRATIONS);
    expect(cloudflare).toMatchObject({ worker: true, bucket: true, namespace: true, workersDev: true });
  });

  test("over an older one brings the migrations first, and closes workers.dev once there is a domain", async () => {
    cloudflare.deployed();
    const { code, stderr } = await deploy("--domain", "registry.example.com");
    expect(code, stderr).toBe(0);
    expect(order()).toEqual(["query", "upload"]);
    expect(applied()).toEqual(MIGRATIONS);
    expect(cloudflare.workersDev).toBe(false);
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
    expect(stderr).toMatch(/^berth: wrangler cannot tell whether the database exists: /m);
    expect(order()).toEqual([]);
  });
});

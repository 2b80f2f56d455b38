/** What a release is made of: its notes with the button, and what the button's page reads of the repository. */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse as parseToml } from "smol-toml";
import { afterAll, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";

const ROOT = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Workflow {
  jobs: Record<string, { steps: { name?: string; run?: string }[] }>;
}

test("a release's notes are its section of the changelog, and the button", () => {
  const { jobs } = parseYaml(read(".github/workflows/release.yml")) as Workflow;
  const steps =
    jobs.release?.steps.filter(({ run }) => run?.includes("notes.md") && !run.includes("gh ")) ?? [];
  expect(steps).toHaveLength(2);
  copyFileSync(join(ROOT, "CHANGELOG.md"), join(folder, "CHANGELOG.md"));
  for (const { run = "" } of steps)
    execFileSync("bash", ["-e", "-o", "pipefail", "-c", run], {
      cwd: folder,
      env: {
        ...process.env,
        GITHUB_REF_NAME: "v0.1.0",
        GITHUB_SERVER_URL: "https://github.com",
        GITHUB_REPOSITORY: "acme/berth",
      },
    });
  const notes = readFileSync(join(folder, "notes.md"), "utf8");
  expect(notes).toContain("The first: all of the OCI distribution specification");
  expect(notes).not.toContain("Unreleased");
  expect(notes.trimEnd().split("\n").at(-1)).toBe(
    "[![Deploy to Cloudflare](https://deploy.workers.cloudflare.com/button)](https://deploy.workers.cloudflare.com/?url=https://github.com/acme/berth)",
  );
});

test("the button's page describes only what there is, and finds names for all that it makes", () => {
  const { cloudflare, scripts } = JSON.parse(read("package.json"));
  const toml = parseToml(read("wrangler.toml")) as {
    vars: object;
    r2_buckets: { binding: string; bucket_name?: string }[];
    d1_databases: { binding: string; database_name?: string }[];
    kv_namespaces: { binding: string }[];
  };
  const made = [...toml.r2_buckets, ...toml.d1_databases, ...toml.kv_namespaces].map(
    ({ binding }) => binding,
  );
  const known = [...made, ...Object.keys(toml.vars)];
  expect(Object.keys(cloudflare.bindings).filter((name) => !known.includes(name))).toEqual([]);
  expect(made.filter((name) => !Object.hasOwn(cloudflare.bindings, name))).toEqual([]);
  expect([toml.r2_buckets[0]?.bucket_name, toml.d1_databases[0]?.database_name]).toEqual(["berth", "berth"]);
  // What it runs for each push.
  expect(scripts).toMatchObject({ deploy: "node src/cli/berth.js deploy" });
  expect(Object.hasOwn(scripts, "build")).toBe(false);
});

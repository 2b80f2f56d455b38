/** Migrations: the form that D1 can split into statements, and a Worker that comes before them. */

import { reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { forgetMigrated } from "../../src/routes/unavailable.ts";
import { SCHEMA_VERSION } from "../../src/storage/registry.ts";
import { codesOf, request } from "../support/registry.ts";

const files = import.meta.glob<string>("../../migrations/*.sql", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** What D1's splitter of files has failed on. */
function faultsOf(sql: string): string[] {
  const faults: string[] = [];
  for (const [index, line] of sql.split("\n").entries()) {
    const comment = line.includes("--") ? line.slice(line.indexOf("--")) : "";
    const code = line.slice(0, line.length - comment.length).trim();
    if (comment.includes(";")) faults.push(`${index + 1}: a semicolon in a comment`);
    if (/\bCREATE TRIGGER\b/i.test(code) && !/\bBEGIN .*; END;$/i.test(code)) {
      faults.push(`${index + 1}: a trigger on more than one line`);
    }
    if (!/\bCREATE TRIGGER\b/i.test(code) && /\b(?:BEGIN|END)\b/i.test(code)) {
      faults.push(`${index + 1}: part of a trigger`);
    }
    if (code.includes(";") && !/\bCREATE TRIGGER\b/i.test(code) && code.indexOf(";") !== code.length - 1) {
      faults.push(`${index + 1}: two statements on one line`);
    }
  }
  return faults;
}

describe("a migration's form", () => {
  test.each(Object.entries(files))("%s: one line a trigger, no semicolon in a comment", (_, sql) => {
    expect(faultsOf(sql)).toEqual([]);
  });

  test("what is wrong with one would be seen", () => {
    expect(Object.keys(files).length).toBeGreaterThan(0);
    expect(faultsOf("-- first; then\nSELECT 1; SELECT 2;")).toHaveLength(2);
    expect(faultsOf("CREATE TRIGGER a AFTER INSERT ON b BEGIN\n  UPDATE c SET d = 1;\nEND;")).toHaveLength(2);
  });
});

describe("before the migrations", () => {
  for (const [title, prepare] of [
    ["no table is there", () => reset()],
    [
      "an older schema is there",
      () =>
        env.DB.prepare("UPDATE registry SET schema_version = ?1")
          .bind(SCHEMA_VERSION - 1)
          .run(),
    ],
  ] as const) {
    test(`${title}: every call answers 503 and what to do, with no credentials read`, async () => {
      await prepare();
      forgetMigrated();
      for (const [method, path] of [
        ["GET", "/v2/"],
        ["POST", "/v2/a/blobs/uploads/"],
        ["GET", "/v2/a/manifests/latest"],
      ] as const) {
        const response = await request(method, path, { headers: { Authorization: "" } });
        expect([response.status, response.headers.get("Retry-After")]).toEqual([503, "30"]);
        expect(await codesOf(response)).toEqual(["UNAVAILABLE"]);
      }
    });
  }

  test("a newer schema serves: the code may have been rolled back", async () => {
    await env.DB.prepare("UPDATE registry SET schema_version = 99").run();
    forgetMigrated();
    expect((await request("GET", "/v2/")).status).toBe(200);
  });

  test("it is asked once an isolate", async () => {
    forgetMigrated();
    await request("GET", "/v2/");
    await env.DB.prepare("UPDATE registry SET schema_version = 0").run();
    expect((await request("GET", "/v2/")).status).toBe(200);
  });
});

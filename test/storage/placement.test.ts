/** Which database a repository lies in. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { databasesOf, readPlacement } from "../../src/storage/placement.ts";
import { request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";

const envOf = (setting: string) =>
  ({ DB: env.DB, DB_3: env.DB, DB_2: env.DB, DBX: env.DB, DATABASES: setting }) as never;

const placeOf = (setting: string, name: string) => readPlacement(envOf(setting)).placeOf(name);

describe("DATABASES", () => {
  test("says by the first segment of a name which database it lies in", () => {
    const setting = "team=DB_2 mirror=DB_3, *=DB_3 kept=DB";
    expect(placeOf(setting, "team/app")).toEqual({ database: "DB_2", movingTo: null });
    expect(placeOf(setting, "team")).toEqual({ database: "DB_2", movingTo: null });
    expect(placeOf(setting, "kept/team")).toEqual({ database: "DB", movingTo: null });
    expect(placeOf(setting, "team-b/app")).toEqual({ database: "DB_3", movingTo: null });
  });

  test("leaves in DB what it does not name", () => {
    expect(placeOf("team=DB_2", "other/app")).toEqual({ database: "DB", movingTo: null });
    expect(placeOf("", "team/app")).toEqual({ database: "DB", movingTo: null });
  });

  test("says where a segment is moving to", () => {
    expect(placeOf("team=DB>DB_2", "team/app")).toEqual({ database: "DB", movingTo: "DB_2" });
  });

  test("finds each database that is bound, the main one first", () => {
    expect(databasesOf(envOf(""))).toEqual(["DB", "DB_2", "DB_3"]);
  });

  test.each([
    ["team", 'must be like "team=DB_2"'],
    ["team/app=DB_2", "must be like"],
    ["Team=DB_2", "must be like"],
    ["team=DB_9", "names a database that is not bound"],
    ["team=DB>DB_9", "names a database that is not bound"],
    ["team=USERS", "names a database that is not bound"],
    ["team=DB_2>DB_2", "moves to where it is"],
    ["*=DB>DB_2", "moves all at once"],
    ["team=DB_2 team=DB_3", "for the second time"],
  ])("%s is refused, and told", (setting, why) => {
    expect(() => readPlacement(envOf(setting))).toThrow(why);
  });

  test("that makes no sense fails every request, and is told in the log", async () => {
    setVariables({ DATABASES: "team=DB_9" });
    expect((await request("GET", "/v2/")).status).toBe(500);
  });
});

/** /v2/_berth/policies: administrators say what is kept. */

import { describe, expect, test } from "vitest";
import { eventsOf } from "../support/events.ts";
import { breakAll } from "../support/faults.ts";
import { removePolicy, setPolicy } from "../support/policies.ts";
import { codesOf, request } from "../support/registry.ts";
import { SEVERAL } from "../support/stores.ts";
import { addUser, basic } from "../support/users.ts";

/** A change is an event in each database: test/databases. */

const RULE = { kind: "immutable", repositories: ["team/**"], tags: ["v*"], except: ["v*-dev"] };

function put(name: string, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return request("PUT", `/v2/_berth/policies/${name}`, { body: text });
}

async function list(): Promise<{ name: string; rule: object; updatedAt: number }[]> {
  const response = await request("GET", "/v2/_berth/policies");
  return ((await response.json()) as { policies: [] }).policies;
}

describe("a policy", () => {
  test("is set, listed in the order of names, changed, and removed once", async () => {
    const before = Date.now();
    expect(await list()).toEqual([]);
    for (const name of ["b", "a"]) {
      const response = await put(name, RULE);
      expect([response.status, await response.json()]).toEqual([200, { name, rule: RULE }]);
    }
    await put("b", { ...RULE, tags: ["*"], except: undefined });
    const policies = await list();
    expect(policies.map(({ name, rule }) => [name, rule])).toEqual([
      ["a", RULE],
      ["b", { ...RULE, tags: ["*"], except: [] }],
    ]);
    for (const { updatedAt } of policies) expect(updatedAt).toBeGreaterThanOrEqual(before);
    expect((await removePolicy("b")).status).toBe(204);
    const again = await removePolicy("b");
    expect([again.status, await codesOf(again)]).toEqual([404, ["NAME_UNKNOWN"]]);
    expect((await list()).map(({ name }) => name)).toEqual(["a"]);
  });

  test.each([
    ["ok", "", "must be JSON"],
    ["ok", "null", "must be JSON"],
    ["ok", "[]", "kind"],
    ["ok", { ...RULE, kind: "mutable" }, "kind"],
    ["ok", { ...RULE, tags: ["a/b"] }, "tags"],
    ["ok", { ...RULE, tags: ["v*"], more: 1 }, "more"],
    ["a%2Fb", RULE, "name"],
    ["a b", RULE, "name"],
    ["x".repeat(65), RULE, "name"],
  ])("named %s, of %j is refused with what to do", async (name, body, hint) => {
    const response = await put(encodeURI(name).replace("%252F", "%2F"), body);
    const text = await response.text();
    expect([response.status, text.includes("UNSUPPORTED"), text.includes(hint)]).toEqual([400, true, true]);
    expect(await list()).toEqual([]);
  });

  test("larger than 64 KiB is refused", async () => {
    expect((await put("a", `"${"x".repeat(70_000)}"`)).status).toBe(413);
  });

  test("is one of 100 at most: the next is refused, and those that are there can be changed", async () => {
    for (let index = 0; index < 100; index++) await setPolicy(`p${index}`, ["a"], ["*"]);
    const response = await put("more", RULE);
    expect([response.status, await codesOf(response)]).toEqual([409, ["DENIED"]]);
    expect((await put("p7", RULE)).status).toBe(200);
    expect(await list()).toHaveLength(100);
    await removePolicy("p3");
    expect((await put("more", RULE)).status).toBe(200);
  });
});

describe("only an administrator", () => {
  test.each(["GET ", "PUT /a", "DELETE /a"])("may %s", async (what) => {
    const [method = "", path = ""] = what.split(" ");
    await addUser("pusher", { access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }] });
    await setPolicy("a", ["a"], ["*"]);
    const ask = (Authorization: string) =>
      request(method, `/v2/_berth/policies${path}`, {
        headers: { Authorization },
        ...(method === "PUT" && { body: JSON.stringify(RULE) }),
      });
    expect((await ask("")).status).toBe(401);
    expect((await ask(basic("pusher"))).status).toBe(403);
    expect((await list()).map(({ rule }) => rule)).toEqual([
      { kind: "immutable", repositories: ["a"], tags: ["*"], except: [] },
    ]);
    expect((await ask(basic("admin"))).status).toBeLessThan(300);
  });
});

describe("the audit trail", () => {
  test("has each change with its rule, and none of what was refused", async () => {
    const events = await eventsOf(async () => {
      await put("a", RULE);
      await put("a", { ...RULE, tags: ["*"] });
      await put("a", "nonsense");
      await removePolicy("a");
      await removePolicy("a");
    });
    expect(
      events.map(({ action, actor, reference, outcome }) => [action, actor, reference, outcome]),
    ).toEqual(
      expect.arrayContaining([
        ["set-policy", "admin", "a", "done"],
        ["remove-policy", "admin", "a", "done"],
      ]),
    );
    expect(events).toHaveLength(3);
    expect(events.map(({ detail }) => JSON.parse(detail as string).tags)).toEqual(
      expect.arrayContaining([["v*"], ["*"], ["*"]]),
    );
  });

  test.skipIf(SEVERAL).each(["before", "after"] as const)(
    "and the change are both there, or neither: failing %s",
    async (when) => {
      const events = await eventsOf(async () => {
        breakAll("DB.batch", when);
        expect((await put("a", RULE)).status).toBe(503);
      });
      expect([events.length, (await list()).length]).toEqual(when === "before" ? [0, 0] : [1, 1]);
    },
  );
});

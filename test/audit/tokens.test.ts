/** Machine tokens come and go with events, though KV knows no transactions. */

import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { eventsOf, storedEvents } from "../support/events.ts";
import { breakAll, healAll } from "../support/faults.ts";
import { request, sha256 } from "../support/registry.ts";
import { addUser } from "../support/users.ts";

const access = [{ repositories: ["team/**"], actions: ["pull"] }];

function create(owner = "admin"): Promise<Response> {
  const body = JSON.stringify({ name: "ci", access, expiresIn: 3600, owner });
  return request("POST", "/v2/_berth/tokens", { body });
}

test("a token that is made is an event: whose, by whom, for what; never the token", async () => {
  await addUser("alice", { access: [] });
  let token = "";
  const [event, ...others] = await eventsOf(async () => {
    token = ((await (await create("alice")).json()) as { token: string }).token;
  });
  expect(others).toEqual([]);
  expect(event).toMatchObject({ action: "create-token", actor: "admin", reference: "alice/ci" });
  const id = sha256(token).replace("sha256:", "");
  expect(JSON.parse(event?.detail ?? "")).toEqual({ id, access, expiresAt: expect.any(Number) });
  expect(JSON.stringify(await storedEvents())).not.toContain(token);
});

test("so is one that is revoked, and the revocation of all", async () => {
  const { token } = (await (await create()).json()) as { token: string };
  const revoked = await eventsOf(() => request("DELETE", "/v2/_berth/tokens/ci"));
  expect(revoked).toMatchObject([{ action: "revoke-token", actor: "admin", reference: "admin/ci" }]);
  expect(JSON.parse(revoked[0]?.detail ?? "")).toEqual({ id: sha256(token).replace("sha256:", "") });
  expect(await eventsOf(() => request("DELETE", "/v2/_berth/tokens"))).toMatchObject([
    { action: "revoke-tokens", actor: "admin", reference: "admin" },
  ]);
});

test("what is refused is none", async () => {
  await create();
  expect(await eventsOf(() => create())).toEqual([]);
  expect(await eventsOf(() => request("DELETE", "/v2/_berth/tokens/none"))).toEqual([]);
});

test("no token comes or goes whose event cannot be written: the answer is 503, and it can be repeated", async () => {
  breakAll("DB.query", "before");
  expect((await create()).status).toBe(503);
  healAll();
  expect((await env.USERS.list({ prefix: "token/" })).keys).toEqual([]);
  expect((await create()).status).toBe(201);
  for (const path of ["tokens/ci", "tokens"]) {
    breakAll("DB.query", "before");
    expect((await request("DELETE", `/v2/_berth/${path}`)).status).toBe(503);
    healAll();
    expect((await env.USERS.list({ prefix: "token/" })).keys).toHaveLength(1);
  }
  expect((await request("DELETE", "/v2/_berth/tokens/ci")).status).toBe(204);
  expect((await storedEvents()).map(({ action }) => action)).toEqual(["create-token", "revoke-token"]);
});

/** Failed logins and lockouts are events, but never so many that they fill the database. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, inject, test, vi } from "vitest";
import { forgetFailureEvents } from "../../src/auth/failure-events.ts";
import { formatMachineToken } from "../../src/auth/machine-token.ts";
import { finishBackground } from "../support/background.ts";
import { storedEvents } from "../support/events.ts";
import { breakAll, healAll } from "../support/faults.ts";
import { measure } from "../support/meter.ts";
import { request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

afterEach(() => vi.restoreAllMocks());

/** @param address of its own for each test: the bindings remember failures */
async function fail(user: string, address: string, password = "wrong"): Promise<number> {
  const headers = {
    ...{ Authorization: basic(user, password), "CF-Connecting-IP": address, "User-Agent": "docker/28.0" },
  };
  const { status } = await request("GET", "/v2/", { headers });
  await finishBackground();
  return status;
}

function later(milliseconds: number): void {
  const real = Date.now.bind(Date);
  vi.spyOn(Date, "now").mockImplementation(() => real() + milliseconds);
}

const failures = () => storedEvents("log-in");

describe("a failed login", () => {
  test("is an event: whose name was tried, from where; nobody is its actor", async () => {
    await fail("admin", "203.0.113.1");
    expect(await failures()).toEqual([
      {
        ...{ id: expect.stringMatching(/\/log-in$/), at: expect.any(Number), actor: null },
        ...{ credential: "password", address: "203.0.113.1", user_agent: "docker/28.0", action: "log-in" },
        ...{ outcome: "failed", repository: null, reference: "admin", old_digest: null, new_digest: null },
        detail: JSON.stringify({ untold: 0 }),
      },
    ]);
  });

  test("with the right password is none", async () => {
    expect(await fail("admin", "203.0.113.2", "secret")).toBe(200);
    expect(await failures()).toEqual([]);
  });

  test("does not tell what is no name: it may be a password in the wrong place", async () => {
    await fail("Correct Horse!", "203.0.113.3");
    expect((await failures()).map(({ reference }) => reference)).toEqual([null]);
  });

  test("at the token endpoint is one too", async () => {
    setVariables({ PUBLIC_REPOSITORIES: "library/**" });
    const body = new URLSearchParams({ grant_type: "password", username: "admin", password: "no" });
    const headers = { Authorization: "", "CF-Connecting-IP": "203.0.113.4" };
    expect((await request("POST", "/v2/token", { body, headers })).status).toBe(401);
    await finishBackground();
    expect((await failures()).map(({ reference, address }) => [reference, address])).toEqual([
      ["admin", "203.0.113.4"],
    ]);
  });

  test("with a machine token that is not valid, or a token of elsewhere that no rule is for, says so", async () => {
    await fail("admin", "203.0.113.5", formatMachineToken(new Uint8Array(32).fill(7)));
    setVariables({ OIDC_ISSUERS: `${inject("issuer")}/audit`, OIDC_AUDIENCE: "registry.test" });
    const signed = await fetch(`${inject("issuer")}/audit/sign`, {
      method: "POST",
      body: JSON.stringify({ sub: "repo:nobody" }),
    });
    expect(await fail("oidc", "203.0.113.5", await signed.text())).toBe(403);
    expect(await fail("oidc", "203.0.113.6", "no token")).toBe(401);
    expect((await failures()).map(({ credential, outcome }) => [credential, outcome])).toEqual([
      ["token", "failed"],
      ["oidc", "failed"],
      ["oidc", "failed"],
    ]);
  });

  test("does not wait for its event, nor fail with it: then the log says so", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    breakAll("DB.query", "before");
    expect(await fail("admin", "203.0.113.7")).toBe(401);
    healAll();
    expect(await failures()).toEqual([]);
    expect(logged.mock.calls.flat()).toEqual([expect.stringContaining('"event-not-written"')]);
  });
});

test("a lockout is an event of its own", async () => {
  await addUser("victim");
  for (let times = 0; times < 14; times++) await fail("victim", "203.0.113.8", `wrong ${times}`);
  expect((await failures()).map(({ reference, outcome }) => [reference, outcome])).toEqual([
    ["victim", "failed"],
    ["victim", "refused"],
  ]);
});

describe("many failures", () => {
  test("of one user from one address are one event a minute, and the next one counts the rest", async () => {
    for (let times = 0; times < 4; times++) await fail("admin", "203.0.113.9", `wrong ${times}`);
    expect(await failures()).toHaveLength(1);
    later(61_000);
    await fail("admin", "203.0.113.9", "wrong again");
    expect((await failures()).map(({ detail }) => JSON.parse(detail ?? "").untold)).toEqual([0, 3]);
  });

  test("of many users, from many addresses, are 20 events a minute, and the others cost no query", async () => {
    const costs = await measure(async () => {
      for (let index = 0; index < 24; index++) await fail(`user${index}`, `198.51.100.${index}`);
    });
    expect(costs.queries).toBe(20);
    expect(await failures()).toHaveLength(20);
  });

  test("of one kind hide none of another, and the next event counts those that none told of", async () => {
    await addUser("victim");
    for (let index = 0; index < 25; index++) {
      const token = formatMachineToken(crypto.getRandomValues(Buffer.alloc(32)));
      await fail(`flood${index}`, `198.51.100.${index}`, token);
    }
    for (let times = 0; times < 12; times++) await fail("victim", "203.0.113.88", `wrong ${times}`);
    const told = (await failures()).map(({ reference, outcome, credential }) => [
      reference,
      outcome,
      credential,
    ]);
    expect(told.filter(([, , credential]) => credential === "token")).toHaveLength(20);
    expect(told.filter(([reference]) => reference === "victim").sort()).toEqual([
      ["victim", "failed", "password"],
      ["victim", "refused", "password"],
    ]);
    const victims = (await failures()).find(({ reference }) => reference === "victim");
    expect(JSON.parse(victims?.detail ?? "")).toEqual({ untold: 0, lost: 5 });
  });

  test("are bounded by the database as well: other isolates do not know of each other", async () => {
    for (let index = 0; index < 24; index++) {
      forgetFailureEvents();
      await fail(`user${index}`, `198.51.100.${100 + index}`);
    }
    expect(await failures()).toHaveLength(20);
    await env.DB.prepare("UPDATE audit_events SET at = at - 61000").run();
    forgetFailureEvents();
    await fail("user", "198.51.100.200");
    expect(await failures()).toHaveLength(21);
  });
});

/** Guessing passwords. */

import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { countFailure, isBlocked, slowed } from "../../src/auth/login-limit.ts";
import { networksOf } from "../../src/auth/networks.ts";
import { bcryptRuns } from "../../src/auth/passwords.ts";
import { codesOf, request } from "../support/registry.ts";
import { addUser, basic } from "../support/users.ts";

let names = 0;

/** A name that no other test counts failures of: the bindings remember them. */
function newName(kind: string): string {
  return `${kind}-${names++}-${crypto.randomUUID().slice(0, 8)}`;
}

function logIn(user: string, password: string, from: string): Promise<Response> {
  return request("GET", "/v2/", {
    headers: { Authorization: basic(user, password), "CF-Connecting-IP": from },
  });
}

async function fail(user: string, times: number, from: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < times; index++)
    statuses.push((await logIn(user, `wrong ${from} ${index}`, from)).status);
  return statuses;
}

describe("failed logins of one user from one address", () => {
  test("are 429 with Retry-After after ten, and cost no bcrypt any more", async () => {
    const user = newName("victim");
    const statuses = await fail(user, 14, "192.0.2.10");
    expect(statuses.slice(0, 9)).toEqual(Array(9).fill(401));
    expect(statuses.at(-1)).toBe(429);
    const runs = bcryptRuns;
    const response = await logIn(user, "another", "192.0.2.10");
    expect([response.status, response.headers.get("Retry-After")]).toEqual([429, "60"]);
    expect(await codesOf(response)).toEqual(["TOOMANYREQUESTS"]);
    expect(bcryptRuns).toBe(runs);
  });

  test("do not hold up who has logged in before from there, not even when bcrypt has to run again", async () => {
    const user = newName("known");
    await addUser(user);
    expect((await logIn(user, "secret", "192.0.2.20")).status).toBe(200);
    expect((await fail(user, 14, "192.0.2.20")).at(-1)).toBe(429);
    expect((await logIn(user, "secret", "192.0.2.20")).status).toBe(200);
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 59_000);
    await fail(user, 14, "192.0.2.20");
    vi.spyOn(Date, "now").mockImplementation(() => now + 62_000);
    expect((await logIn(user, "secret", "192.0.2.20")).status).toBe(200);
    vi.restoreAllMocks();
  });

  test("cost no more than the limit when they come in a burst, and a right guess among them is refused", async () => {
    const user = newName("burst");
    await addUser(user);
    const guesses = Array.from({ length: 40 }, (_, index) => logIn(user, `wrong ${index}`, "192.0.2.40"));
    const [right] = (await Promise.all([...guesses, logIn(user, "secret", "192.0.2.40")])).slice(-1);
    expect(right?.status).toBe(429);
    expect(bcryptRuns).toBeLessThanOrEqual(11);
  });
});

describe("failed logins of one user from everywhere", () => {
  test("never lock the user out, on an isolate that does not know him either", async () => {
    const user = newName("owner");
    await addUser(user);
    const everywhere = Array.from({ length: 24 }, (_, index) =>
      logIn(user, `wrong ${index}`, `198.51.100.${index}`),
    );
    for (const { status } of await Promise.all(everywhere)) expect(status).toBe(401);
    const before = slowed;
    expect((await logIn(user, "secret", "203.0.113.1")).status).toBe(200);
    expect(slowed).toBe(before + 1);
    // Once known, no more.
    expect((await logIn(user, "secret", "203.0.113.2")).status).toBe(200);
    expect(slowed).toBe(before + 1);
  });

  test("are each made to wait, and a burst that waits together is still held to its address's limit", async () => {
    const user = newName("slowed");
    await addUser(user);
    const from = (address: string, times: number) =>
      Promise.all(
        Array.from({ length: times }, (_, index) => logIn(user, `wrong ${address} ${index}`, address)),
      );
    await from("198.51.100.200", 5);
    await from("198.51.100.201", 5);
    const before = bcryptRuns;
    const statuses = (await from("198.51.100.202", 30)).map(({ status }) => status);
    expect(slowed).toBe(30);
    expect(statuses).toContain(429);
    expect(bcryptRuns - before).toBeLessThanOrEqual(11);
  });
});

describe("failed logins of one address", () => {
  test("are counted over all users", async () => {
    const guesses = Array.from({ length: 40 }, () => logIn(newName("any"), "wrong", "192.0.2.30"));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(30);
    const user = newName("new");
    expect((await logIn(user, "x", "192.0.2.30")).status).toBe(429);
    expect((await logIn(user, "x", "192.0.2.31")).status).toBe(401);
  });

  test("of one IPv6 network of 64 bits are counted together", async () => {
    const user = newName("v6");
    const statuses: number[] = [];
    for (let index = 0; index < 14; index++) statuses.push(...(await fail(user, 1, `2001:db8::${index}`)));
    expect(statuses.at(-1)).toBe(429);
    expect((await fail(user, 1, "2001:db8:0:1::1")).at(-1)).toBe(401);
  });

  test("of one IPv6 network of 48 bits are counted too, with a higher limit", async () => {
    const now = Date.now();
    const address = (index: number) => `2001:db8:77:${index.toString(16)}::1`;
    const limiters = freeLimiters();
    for (let index = 0; index < 99; index++) await countFailure(limiters, address(index), newName("v6"), now);
    expect(isBlocked(address(200), "anybody", now)).toBe(false);
    await countFailure(limiters, address(99), newName("v6"), now);
    expect(isBlocked(address(200), "anybody", now)).toBe(true);
    expect(isBlocked("2001:db8:78::1", "anybody", now)).toBe(false);
    expect(isBlocked(address(200), "anybody", now + 60_001)).toBe(false);
  });
});

/** Bindings that let everything through, and tell what they were asked. */
function freeLimiters(asked: string[] = []) {
  const limiter = {
    limit: async ({ key }: { key: string }) => {
      asked.push(key);
      return { success: true };
    },
  };
  return { LOGIN_LIMITER: limiter, ADDRESS_LIMITER: limiter, NETWORK_LIMITER: limiter };
}

describe("what is remembered of a failure", () => {
  test("has the same small size whatever the client calls itself", async () => {
    const asked: string[] = [];
    for (const user of ["a", "x".repeat(65_536)])
      await countFailure(freeLimiters(asked), "2001:db8::1", user, Date.now());
    expect(asked.map((key) => key.length)).toEqual(Array(6).fill(22));
  });

  test("is asked of the real bindings, each with its own limit", async () => {
    const user = newName("bindings");
    const refused = { LOGIN_LIMITER: 0, ADDRESS_LIMITER: 0, NETWORK_LIMITER: 0 };
    for (const name of Object.keys(refused) as (keyof typeof refused)[]) {
      for (let index = 0; index < 120; index++) {
        if (!(await env[name].limit({ key: user })).success) refused[name]++;
      }
    }
    expect(refused).toEqual({ LOGIN_LIMITER: 110, ADDRESS_LIMITER: 90, NETWORK_LIMITER: 20 });
  });
});

describe("networks", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1", null],
    ["2001:db8::1", "2001:db8:0:0", "2001:db8:0"],
    ["2001:0DB8:0000:0001:a:b:c:d", "2001:db8:0:1", "2001:db8:0"],
    ["::1", "0:0:0:0", "0:0:0"],
    ["fe80::1:2:3:4", "fe80:0:0:0", "fe80:0:0"],
    ["unknown", "unknown", null],
  ])("%s is of %s and %s", (address, own, wider) => {
    expect(networksOf(address)).toEqual({ own, wider });
  });
});

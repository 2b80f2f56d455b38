/** Signing in with tokens of a real OpenID Connect issuer. */

import { env } from "cloudflare:workers";
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type JWK, SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { pushImage } from "../support/images.ts";
import { codesOf, request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

const MAIN = "repo:acme/app:ref:refs/heads/main";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token";
const MODES = [
  ["passwords", ""],
  ["tokens", "library/**"],
] as const;

let issuer = "";

beforeEach(async () => {
  // One for each test: keys are remembered.
  issuer = `${inject("issuer")}/${crypto.randomUUID()}`;
  settings();
  await setRule("main", { sub: MAIN }, ["pull", "push"]);
  await pushImage("acme/app", "latest", "config", ["layer"]);
  await pushImage("acme/other", "latest", "config", ["layer"]);
});
afterEach(() => {
  vi.restoreAllMocks();
});

function settings(more: object = {}): void {
  setVariables({ OIDC_ISSUERS: `https://unused.test ${issuer}`, OIDC_AUDIENCE: "registry.test", ...more });
}

function setRule(name: string, claims: object, actions: string[], more: object = {}): Promise<void> {
  const rule = { issuer, claims, access: [{ repositories: ["acme/app"], actions }], ...more };
  return env.USERS.put(`rule/${name}`, JSON.stringify(rule));
}

async function tell(path: string, body: unknown = {}): Promise<string> {
  return (await fetch(`${issuer}/${path}`, { method: "POST", body: JSON.stringify(body) })).text();
}

/** A token of the issuer. */
function sign(claims: object = {}): Promise<string> {
  return tell("sign", { sub: MAIN, ...claims });
}

async function asked(): Promise<Record<string, number>> {
  return JSON.parse(await tell("asked"));
}

function ask(
  authorization: string,
  method = "GET",
  path = "/v2/acme/app/manifests/latest",
): Promise<Response> {
  return request(method, path, { headers: { Authorization: authorization } });
}

async function status(...args: Parameters<typeof ask>): Promise<number> {
  return (await ask(...args)).status;
}

const push = (authorization: string) => status(authorization, "POST", "/v2/acme/app/blobs/uploads/");

interface Given {
  access_token: string;
  expires_in: number;
  issued_token_type: string;
  token_type: string;
  scope?: string;
}

function exchangeRaw(form: Record<string, string>): Promise<Response> {
  const body = new URLSearchParams({ grant_type: EXCHANGE, subject_token_type: ID_TOKEN, ...form });
  return request("POST", "/v2/token", { body, headers: { Authorization: "" } });
}

async function exchange(form: Record<string, string>): Promise<Given> {
  const response = await exchangeRaw(form);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as Given;
}

describe.each(MODES)("where the registry asks for %s", (_, PUBLIC_REPOSITORIES) => {
  beforeEach(() => settings({ PUBLIC_REPOSITORIES }));

  test("an issuer's token is the password of oidc, with every request", async () => {
    const authorization = basic("oidc", await sign());
    expect(await status(authorization, "GET", "/v2/")).toBe(200);
    expect(await status(authorization)).toBe(200);
    expect(await push(authorization)).toBe(202);
    expect(await status(authorization, "GET", "/v2/acme/other/manifests/latest")).toBe(403);
    expect(await status(authorization, "DELETE", "/v2/acme/app/manifests/latest")).toBe(403);
    expect(await asked()).toEqual({ ".well-known/openid-configuration": 1, keys: 1 });
  });

  test("it is exchanged for one of an hour, good as a Bearer and as the password of oidc", async () => {
    const given = await exchange({ subject_token: await sign({ exp: Math.floor(Date.now() / 1000) + 60 }) });
    expect(given).toMatchObject({
      token_type: "Bearer",
      issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
      expires_in: 3600,
    });
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 50 * 60_000);
    for (const authorization of [`Bearer ${given.access_token}`, basic("oidc", given.access_token)]) {
      expect(await status(authorization, "GET", "/v2/")).toBe(200);
      expect(await push(authorization)).toBe(202);
      expect(await status(authorization, "GET", "/v2/acme/other/manifests/latest")).toBe(403);
    }
    vi.spyOn(Date, "now").mockImplementation(() => now + 61 * 60_000);
    for (const authorization of [`Bearer ${given.access_token}`, basic("oidc", given.access_token)])
      expect(await status(authorization)).toBe(401);
  });

  test("it is never an administrator, and makes no tokens", async () => {
    const { access_token } = await exchange({ subject_token: await sign() });
    for (const authorization of [basic("oidc", await sign()), `Bearer ${access_token}`]) {
      expect(await status(authorization, "POST", "/v2/_berth/gc")).toBe(403);
      expect(await status(authorization, "GET", "/v2/_berth/tokens")).toBe(403);
    }
  });
});

describe("the token endpoint", () => {
  beforeEach(() => settings({ PUBLIC_REPOSITORIES: "library/**" }));

  async function getToken(password: string, scope: string): Promise<Given & { token: string }> {
    const response = await ask(basic("oidc", password), "GET", `/v2/token?scope=${scope}`);
    return (await response.json()) as Given & { token: string };
  }

  test("gives docker a Bearer for what it asks, for the issuer's token and for the exchanged one", async () => {
    const idToken = await sign();
    const { access_token } = await exchange({ subject_token: idToken });
    for (const password of [idToken, access_token]) {
      const given = await getToken(password, "repository:acme/app:pull,delete");
      expect(given.scope).toBe("repository:acme/app:pull");
      expect(await status(`Bearer ${given.token}`)).toBe(200);
      expect(await push(`Bearer ${given.token}`)).toBe(401);
    }
  });

  test("gives none that outlives or exceeds the one it is given for", async () => {
    const narrow = await exchange({ subject_token: await sign(), scope: "repository:acme/app:pull" });
    expect(narrow.scope).toBe("repository:acme/app:pull");
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 30 * 60_000);
    const next = await getToken(narrow.access_token, "repository:acme/app:pull,push registry:catalog:*");
    expect(next.scope).toBe("repository:acme/app:pull");
    expect(next.expires_in).toBeLessThanOrEqual(1800);
    vi.spyOn(Date, "now").mockImplementation(() => now + 61 * 60_000);
    expect(await status(`Bearer ${next.token}`)).toBe(401);
  });

  test("takes it as a password grant too, and keeps to OIDC_TOKEN_LIFETIME", async () => {
    settings({ PUBLIC_REPOSITORIES: "library/**", OIDC_TOKEN_LIFETIME: "10m" });
    const form = { grant_type: "password", username: "oidc", password: await sign() };
    const body = new URLSearchParams({ ...form, scope: "repository:acme/app:push" });
    const response = await request("POST", "/v2/token", { body, headers: { Authorization: "" } });
    expect(await response.json()).toMatchObject({ scope: "repository:acme/app:push", expires_in: 600 });
  });

  test("refuses other types of tokens", async () => {
    const subject_token = await sign();
    for (const form of [
      { subject_token_type: "urn:ietf:params:oauth:token-type:saml2" },
      { subject_token_type: "" },
      { requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" },
    ]) {
      const response = await exchangeRaw({ subject_token, ...form } as Record<string, string>);
      expect([response.status, await codesOf(response)]).toEqual([400, ["UNSUPPORTED"]]);
    }
    const jwt = { subject_token, subject_token_type: "urn:ietf:params:oauth:token-type:jwt" };
    expect((await exchangeRaw(jwt)).status).toBe(200);
  });
});

describe("rules", () => {
  test("give nothing to whom none is for, and say so", async () => {
    const response = await ask(basic("oidc", await sign({ sub: "repo:acme/app:pull_request" })));
    expect([response.status, await response.text()]).toEqual([
      403,
      expect.stringContaining("no rule here is for repo:acme/app:pull_request"),
    ]);
  });

  test("add up, and a new one counts for a token that had none", async () => {
    const authorization = basic(
      "oidc",
      await sign({ sub: "repo:acme/app:environment:live", environment: "live" }),
    );
    expect(await status(authorization)).toBe(403);
    await setRule("live", { environment: "live" }, ["pull"]);
    expect(await status(authorization)).toBe(200);
    expect(await push(authorization)).toBe(403);
    await setRule("any", { sub: "repo:acme/**" }, ["push"]);
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 61_000);
    expect(await push(authorization)).toBe(202);
  });

  test("count at the next request when they are changed or removed, for tokens that were given too", async () => {
    const authorization = basic("oidc", await sign());
    const given = `Bearer ${(await exchange({ subject_token: await sign() })).access_token}`;
    expect([await push(authorization), await push(given)]).toEqual([202, 202]);
    await setRule("main", { sub: MAIN }, ["pull"]);
    expect([await push(authorization), await status(authorization)]).toEqual([403, 200]);
    expect(await push(given)).toBe(401);
    await env.USERS.delete("rule/main");
    expect([await status(authorization), await status(given)]).toEqual([403, 401]);
  });

  test("of an issuer that is not accepted any more give nothing, for tokens that were given too", async () => {
    const authorization = basic("oidc", await sign());
    const given = `Bearer ${(await exchange({ subject_token: await sign() })).access_token}`;
    expect([await push(authorization), await push(given)]).toEqual([202, 202]);
    settings({ OIDC_ISSUERS: "https://other.example.com" });
    expect([await push(authorization), await push(given)]).toEqual([401, 401]);
  });

  test("that are made for somebody else by now give a token that matched before nothing", async () => {
    const authorization = basic("oidc", await sign());
    expect(await status(authorization)).toBe(200);
    await setRule("main", { sub: "repo:acme/other:**" }, ["pull"]);
    expect(await status(authorization)).toBe(403);
  });

  test("of another issuer, and malformed ones, give nothing", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    await env.USERS.delete("rule/main");
    await setRule("elsewhere", { sub: MAIN }, ["pull"], { issuer: "https://unused.test" });
    await env.USERS.put("rule/broken", "{");
    await setRule("everybody", { sub: "**" }, ["pull"]);
    expect(await status(basic("oidc", await sign()))).toBe(403);
    expect(logged.mock.calls.flat().join()).toContain('"event":"malformed-rule","name":"broken"');
  });
});

describe("a token that is not good is 401, and says why", () => {
  const now = () => Math.floor(Date.now() / 1000);

  async function expectRefused(token: string, why: string): Promise<void> {
    const response = await ask(basic("oidc", token));
    expect([response.status, await response.clone().text()]).toEqual([401, expect.stringContaining(why)]);
    expect(response.headers.get("WWW-Authenticate")).toContain("Basic");
    const exchanged = await exchangeRaw({ subject_token: token });
    expect([exchanged.status, await codesOf(exchanged)]).toEqual([401, ["UNAUTHORIZED"]]);
  }

  test.each([
    ["expired", () => ({ exp: now() - 120 }), "it has expired"],
    ["without an end", () => ({ exp: null }), "its exp is not accepted"],
    ["of the future", () => ({ nbf: now() + 300 }), "its nbf is not accepted"],
    ["for another audience", () => ({ aud: "https://elsewhere.test" }), "its aud is not accepted"],
    ["for no audience", () => ({ aud: null }), "its aud is not accepted"],
    ["without a subject", () => ({ sub: null }), "its sub is not accepted"],
    ["of an empty subject", () => ({ sub: "" }), "its sub is not accepted"],
    ["of a subject that is no text", () => ({ sub: { a: 1 } }), "its sub is not accepted"],
    ["of a subject too long", () => ({ sub: "x".repeat(600) }), "its sub is not accepted"],
  ])("%s", async (_, claims, why) => {
    const signed = await sign(claims());
    await expectRefused(signed, why);
  });

  test("of another issuer", async () => {
    const other = await tell("sign", { sub: MAIN, iss: "https://elsewhere.test" });
    await expectRefused(other, "of no issuer that is accepted here");
    // Signed by the issuer's neighbour, in the issuer's name.
    const neighbour = `${inject("issuer")}/${crypto.randomUUID()}/sign`;
    const claims = JSON.stringify({ sub: MAIN, iss: issuer });
    await expectRefused(
      await (await fetch(neighbour, { method: "POST", body: claims })).text(),
      "no such key",
    );
  });

  test("signed with a key that the issuer does not have, under a name that it has", async () => {
    const { kid } = await publicKey();
    const { privateKey } = await generateKeyPair("RS256");
    await expectRefused(
      await forge({ alg: "RS256", kid: kid as string }, privateKey),
      "its signature is wrong",
    );
    const stranger = await forge({ alg: "RS256", kid: "another" }, privateKey);
    await expectRefused(stranger, "the issuer has no such key");
  });

  test("with the key that it brings along", async () => {
    const { privateKey, publicKey: own } = await generateKeyPair("RS256");
    const jwk = await exportJWK(own);
    await expectRefused(await forge({ alg: "RS256", jwk }, privateKey), "its signature is wrong");
  });

  test("that wants what is not supported", async () => {
    const [, payload, signature] = (await sign()).split(".") as [string, string, string];
    const header = btoa(JSON.stringify({ alg: "RS256", crit: ["foo"], foo: 1 })).replaceAll("=", "");
    await expectRefused(`${header}.${payload}.${signature}`, "it wants what is not supported here");
  });

  test("not signed at all", async () => {
    const unsigned = new UnsecuredJWT(goodClaims()).encode();
    await expectRefused(unsigned, "its algorithm is not accepted here");
    const [, payload] = unsigned.split(".") as [string, string];
    const [header, , signature] = (await sign()).split(".") as [string, string, string];
    await expectRefused(`${header}.${payload}.${signature}`, "its signature is wrong");
    await expectRefused(`${header}.${payload}.`, "its signature is wrong");
  });

  test("signed with the public key as if it were a secret", async () => {
    const jwk = await publicKey();
    const pem = await exportSPKI((await importJWK({ ...jwk }, "RS256")) as CryptoKey);
    for (const secret of [pem, pem.trim(), jwk.n as string, JSON.stringify(jwk)]) {
      const key = new TextEncoder().encode(secret);
      const token = await forge({ alg: "HS256", kid: jwk.kid as string }, key);
      await expectRefused(token, "its algorithm is not accepted here");
    }
  });

  test("that is none, or one of our own of another kind", async () => {
    for (const text of ["", "x", "a.b.c", "..", "secret"]) await expectRefused(text, "of no issuer");
    settings({ PUBLIC_REPOSITORIES: "library/**" });
    const { token } = (await (await ask(basic("admin"), "GET", "/v2/token")).json()) as { token: string };
    settings();
    await expectRefused(token, "of no issuer");
  });

  test("where OIDC is not switched on", async () => {
    const token = await sign();
    const given = (await exchange({ subject_token: token })).access_token;
    setVariables();
    expect(await status(basic("oidc", token))).toBe(401);
    expect(await status(`Bearer ${given}`)).toBe(401);
    expect((await exchangeRaw({ subject_token: token })).status).toBe(404);
  });

  async function publicKey(): Promise<JWK> {
    const { keys } = (await (await fetch(`${issuer}/keys`)).json()) as { keys: JWK[] };
    return keys[0] as JWK;
  }

  function goodClaims() {
    return { iss: issuer, sub: MAIN, aud: "registry.test", iat: now(), exp: now() + 300 };
  }

  function forge(
    header: { alg: string; kid?: string; jwk?: JWK },
    key: CryptoKey | Uint8Array,
  ): Promise<string> {
    return new SignJWT(goodClaims()).setProtectedHeader(header).sign(key);
  }
});

describe("the issuer's keys", () => {
  let start = 0;
  beforeEach(() => {
    start = Date.now();
  });
  const at = (seconds: number) => vi.spyOn(Date, "now").mockImplementation(() => start + seconds * 1000);

  test("may change: a new one is found when a token has it, and the old one is none any more", async () => {
    at(0);
    const old = await sign({ exp: Math.floor(start / 1000) + 3600 });
    expect(await status(basic("oidc", old))).toBe(200);
    await tell("rotate");
    at(61);
    expect(await status(basic("oidc", await sign()))).toBe(200);
    at(130);
    expect(await status(basic("oidc", old))).toBe(401);
  });

  test("are not asked for by everybody who makes up a token", async () => {
    at(0);
    expect(await status(basic("oidc", await sign()))).toBe(200);
    const { privateKey } = await generateKeyPair("RS256");
    for (let index = 0; index < 10; index++) {
      const header = { alg: "RS256", kid: `made-up-${index}` };
      const claims = { iss: issuer, sub: MAIN, aud: "registry.test", exp: Math.floor(start / 1000) + 300 };
      const token = await new SignJWT(claims).setProtectedHeader(header).sign(privateKey);
      expect(await status(basic("oidc", token))).toBe(401);
    }
    expect((await asked()).keys).toBeLessThanOrEqual(2);
  });

  test("cannot be had: 503 with Retry-After, and soon after it heals", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    at(0);
    await tell("set", { failure: 500 });
    for (const path of ["first", "second"]) {
      const response = await ask(basic("oidc", await sign()));
      expect([path, response.status, response.headers.get("Retry-After")]).toEqual([path, 503, "5"]);
      expect(await codesOf(response)).toEqual(["UNAUTHORIZED"]);
    }
    expect((await asked())[".well-known/openid-configuration"]).toBe(1);
    expect(logged.mock.calls.flat().join()).not.toContain("eyJ");
    await tell("set", { failure: 0 });
    at(6);
    expect(await status(basic("oidc", await sign()))).toBe(200);
  });

  test("are not taken from a document of another issuer", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    await tell("set", { document: { issuer: "https://elsewhere.test" } });
    expect(await status(basic("oidc", await sign()))).toBe(503);
  });
});

describe("a user who is called oidc", () => {
  test("is one where OIDC is not switched on, and none where it is", async () => {
    await addUser("oidc");
    expect(await status(basic("oidc"))).toBe(401);
    setVariables();
    expect(await status(basic("oidc"))).toBe(200);
  });
});

describe("settings", () => {
  test.each([
    { OIDC_ISSUERS: "token.actions.githubusercontent.com" },
    { OIDC_ISSUERS: "http://issuer.test" },
    { OIDC_ISSUERS: "https://issuer.test?x" },
    { OIDC_ISSUERS: "https://issuer.test", OIDC_AUDIENCE: "" },
    { OIDC_TOKEN_LIFETIME: "long" },
    { MAX_TOKEN_LIFETIME: "0d" },
    { MAX_TOKEN_LIFETIME: "" },
    { ALLOW_HTTP: "" },
  ])("%j fail loudly", async (variables) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    settings(variables);
    expect(await status(basic("admin"), "GET", "/v2/")).toBe(500);
  });
});

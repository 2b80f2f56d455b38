import { describe, expect, test } from "vitest";
import { matchesClaim } from "../../src/auth/claim-pattern.ts";
import { matchesRule, parseRule, type Rule } from "../../src/auth/oidc-rules.ts";

const ISSUER = "https://token.actions.githubusercontent.com";
const ACCESS = [{ repositories: ["acme/app"], actions: ["pull", "push"] }];
const RULE = { issuer: ISSUER, claims: { sub: "repo:acme/app:ref:refs/heads/main" }, access: ACCESS };

describe("patterns of claims", () => {
  test.each([
    [
      "repo:acme/app:ref:refs/heads/main",
      ["repo:acme/app:ref:refs/heads/main"],
      ["repo:acme/app:pull_request"],
    ],
    [
      "repo:acme/*:ref:refs/heads/main",
      ["repo:acme/a:ref:refs/heads/main"],
      ["repo:acme/a/b:ref:refs/heads/main"],
    ],
    ["repo:acme/*", ["repo:acme/app"], ["repo:acme/app:pull_request", "repo:acme/app:ref:refs/heads/main"]],
    ["repo:acme/**", ["repo:acme/app:pull_request", "repo:acme/"], ["repo:acmed/app", "xrepo:acme/app"]],
    ["**/main", ["a/main", "repo:a/b:ref:refs/heads/main"], ["main", "a/main2"]],
    ["v*.*", ["v1.2", "v.", "v1.2.3"], ["v1", "v1/2.3"]],
    ["a.c", ["a.c"], ["abc"]],
    ["", [""], ["a"]],
    ["*", ["", "main"], ["a/b", "a:b"]],
    ["ü*", ["ü", "üx"], ["u"]],
  ])("%s matches %j and not %j", (pattern, yes, no) => {
    expect(yes.filter((value) => !matchesClaim(pattern, value))).toEqual([]);
    expect(no.filter((value) => matchesClaim(pattern, value))).toEqual([]);
  });

  test("take no longer for a value that is made to be slow, and match none that is too long", () => {
    expect(matchesClaim(`${"**a".repeat(80)}b`, "a".repeat(1024))).toBe(false);
    expect(matchesClaim("**", "a".repeat(1025))).toBe(false);
  });
});

describe("a rule", () => {
  const rule = (claims: Record<string, string>) => parseRule({ ...RULE, claims }).rule as Rule;

  test("is for its issuer only, and for who matches all of its claims", () => {
    const both = rule({ sub: "repo:acme/**", environment: "production" });
    const claims = { sub: "repo:acme/app", environment: "production" };
    expect(matchesRule(both, ISSUER, claims)).toBe(true);
    expect(matchesRule(both, `${ISSUER}/`, claims)).toBe(false);
    expect(matchesRule(both, ISSUER, { ...claims, environment: "test" })).toBe(false);
    expect(matchesRule(both, ISSUER, { sub: claims.sub })).toBe(false);
  });

  test("takes numbers, truths and lists of them as they are written, and nothing else", () => {
    const of = (value: unknown, pattern: string) =>
      matchesRule(rule({ sub: "x", c: pattern }), ISSUER, { sub: "x", c: value });
    expect([of(42, "42"), of(true, "true"), of(["a", "b"], "b"), of("", "")]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([
      of(null, "null"),
      of({}, "**"),
      of(undefined, "undefined"),
      of([], "**"),
      of([["b"]], "b"),
    ]).toEqual(Array(5).fill(false));
  });

  test("sees no claim that the token does not have itself", () => {
    expect(matchesRule(rule({ sub: "x", toString: "**" }), ISSUER, { sub: "x" })).toBe(false);
  });

  test("has another fingerprint when anything of it is another", () => {
    const prints = [
      parseRule(RULE),
      parseRule({ ...RULE, issuer: "https://other.test" }),
      parseRule({ ...RULE, claims: { sub: "x" } }),
      parseRule({ ...RULE, access: [{ repositories: ["acme/app"], actions: ["pull"] }] }),
    ].map(({ rule }) => rule?.fingerprint);
    expect(new Set(prints).size).toBe(4);
  });

  test.each([
    [null, "no object"],
    [{ ...RULE, repositories: [] }, "repositories is not known"],
    [{ ...RULE, issuer: "github" }, "issuer"],
    [{ ...RULE, issuer: undefined }, "issuer"],
    [{ ...RULE, claims: undefined }, "claims"],
    [{ ...RULE, claims: [] }, "claims"],
    [{ ...RULE, claims: {} }, "say more"],
    [{ ...RULE, claims: { sub: "**", aud: "*:*/*" } }, "say more"],
    [{ ...RULE, claims: { sub: 7 } }, "pattern"],
    [{ ...RULE, claims: { sub: "x".repeat(257) } }, "256"],
    [{ ...RULE, access: [] }, "access"],
    [{ ...RULE, access: undefined }, "access"],
    [{ ...RULE, access: [{ repositories: ["A"], actions: ["pull"] }] }, "access"],
    [{ ...RULE, access: [{ repositories: ["a"], actions: ["admin"] }] }, "access"],
  ])("that is malformed is told what is wrong: %j", (json, expected) => {
    const { rule, problem } = parseRule(json);
    expect(rule).toBe(null);
    expect(problem).toContain(expected);
  });
});

import { describe, expect, test } from "vitest";
import { Policies, parseRule, type Rule } from "../../src/oci/policies.ts";
import { parseNewTag, parseRepositoryName } from "../../src/oci/reference.ts";

function immutable(repositories: string[], tags: string[], except: string[] = []): Rule {
  return { kind: "immutable", repositories, tags, except };
}

describe("a rule", () => {
  test("is read as it is, without exceptions when it names none", () => {
    expect(parseRule({ kind: "immutable", repositories: ["team/**"], tags: ["v*"] })).toEqual(
      immutable(["team/**"], ["v*"]),
    );
    const whole = immutable(["a", "b/*"], ["*"], ["latest", "*-dev"]);
    expect(parseRule({ ...whole })).toEqual(whole);
  });

  const many = Array.from({ length: 51 }, (_, index) => `a${index}`);
  test.each([
    [{}, "kind"],
    [{ kind: "retention", repositories: ["a"], tags: ["*"] }, "kind"],
    [{ kind: "immutable", tags: ["*"] }, "repositories"],
    [{ ...immutable([], ["*"]) }, "repositories"],
    [{ ...immutable(["Team/**"], ["*"]) }, "repositories"],
    [{ ...immutable(["a"], ["*"]), repositories: "a" }, "repositories"],
    [{ ...immutable(["a"], ["*"]), repositories: [1] }, "repositories"],
    [{ ...immutable(many, ["*"]) }, "repositories"],
    [{ ...immutable(["a"], []) }, "tags"],
    [{ ...immutable(["a"], ["v/1"]) }, "tags"],
    [{ ...immutable(["a"], ["-v"]) }, "tags"],
    [{ ...immutable(["a"], [`${"v".repeat(129)}`]) }, "tags"],
    [{ ...immutable(["a"], ["*a*a*a*a"]) }, "tags"],
    [{ ...immutable(["a"], ["*"], [""]) }, "except"],
    [{ ...immutable(["a"], ["*"]), except: null }, "except"],
    [{ ...immutable(["a"], ["*"]), excpet: ["latest"] }, "excpet"],
  ])("%j is refused for its %s", (json, field) => {
    expect(parseRule(json as Record<string, unknown>)).toMatch(new RegExp(`\\b${field}\\b`));
  });
});

describe("a tag is immutable", () => {
  const policies = new Policies([
    { name: "releases", rule: immutable(["team/**"], ["v*", "Release-*"], ["v*-dev", "vlatest"]) },
    { name: "base", rule: immutable(["base", "team/base"], ["*"], ["latest"]) },
  ]);

  test.each([
    ["team/app", "v1", "releases"],
    ["team/a/b", "v1.2", "releases"],
    ["team/app", "Release-1", "releases"],
    ["team/app", "release-1", null],
    ["team/app", "v1-dev", null],
    ["team/app", "vlatest", null],
    ["team/app", "1", null],
    ["other/app", "v1", null],
    ["base", "anything", "base"],
    ["base", "latest", null],
    // What one policy leaves free another may keep.
    ["team/base", "v1-dev", "base"],
    ["team/base", "latest", null],
  ])("%s:%s by %s", (repository, tag, policy) => {
    expect(policies.immutableBy(parseRepositoryName(repository), parseNewTag(tag))).toBe(policy);
  });

  test("only in repositories that a policy concerns", () => {
    expect(policies.concern(parseRepositoryName("team/x"))).toBe(true);
    expect(policies.concern(parseRepositoryName("other"))).toBe(false);
    expect(new Policies([]).concern(parseRepositoryName("team/x"))).toBe(false);
  });
});

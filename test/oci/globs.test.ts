import { describe, expect, test } from "vitest";
import { type Glob, globCovers, parseGlob } from "../../src/oci/globs.ts";

describe("globs", () => {
  test.each([
    ["team/app", ["team/app"], ["team/app2", "team", "xteam/app", "team/app/x"]],
    ["team/*", ["team/app", "team/a.b-c"], ["team", "team/a/b", "teams/a"]],
    ["team/**", ["team/app", "team/a/b/c"], ["team", "teams/a", "xteam/a"]],
    ["**", ["a", "a/b/c"], []],
    ["*", ["a", "a.b"], ["a/b"]],
    ["*/base", ["a/base"], ["base", "a/b/base"]],
    ["**/base", ["a/base", "a/b/base"], ["base"]],
    ["a.b", ["a.b"], ["axb"]],
    ["ci-*", ["ci-1"], ["ci", "ci-1/x"]],
  ])("%s matches %j and not %j", (pattern, yes, no) => {
    const glob = parseGlob(pattern);
    expect(yes.filter((name) => !glob?.matches(name))).toEqual([]);
    expect(no.filter((name) => glob?.matches(name))).toEqual([]);
  });

  test.each(["", "A", "a b", "/a", "a/", "***", "a[b]", "(a|b)", "é", "a\n", "a//b", "*a*a*a*a"])(
    "%j is none",
    (pattern) => {
      expect(parseGlob(pattern)).toBe(null);
    },
  );
});

test.each([
  ["**", "a/**", true],
  ["team/**", "team/*", true],
  ["team/**", "team/a/**", true],
  ["team/**", "team/app", true],
  ["team/*", "team/app", true],
  ["team/*", "team/*", true],
  ["team/*", "team/**", false],
  ["team/**", "team", false],
  ["team/**", "teams/*", false],
  ["team/**", "team*", false],
  ["team/**", "**", false],
  ["*", "**", false],
  ["team/app", "team/*", false],
])("%s covers %s: %j", (glob, other, covers) => {
  expect(globCovers(parseGlob(glob) as Glob, parseGlob(other) as Glob)).toBe(covers);
});

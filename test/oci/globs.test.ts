import { describe, expect, test } from "vitest";
import { parseGlob } from "../../src/oci/globs.ts";

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

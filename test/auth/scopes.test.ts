import { describe, expect, test } from "vitest";
import { formatScope, formatScopes, parseScopes } from "../../src/auth/scopes.ts";

describe("a scope", () => {
  test.each([
    "repository:a:pull",
    "repository:team/app:pull,push,delete",
    "registry:catalog:*",
    "repository:a:pull repository:b:push registry:catalog:*",
  ])("is written as it was read: %s", (text) => {
    expect(formatScopes(parseScopes([text]))).toBe(text);
  });

  test("may come in one parameter or in many, with a class of repository, with * for all actions", () => {
    const expected = "repository:a:pull repository:b:pull,push,delete";
    for (const parameters of [
      ["repository:a:pull repository:b:*"],
      ["repository:a:pull", " repository(plugin):b:* "],
    ]) {
      expect(formatScopes(parseScopes(parameters))).toBe(expected);
    }
  });

  test("of another type is nothing, and an unknown action is none", () => {
    for (const text of ["registry:other:*", "repository:a", "::", "nonsense"])
      expect(formatScopes(parseScopes([text]))).toBe("");
    expect(parseScopes(["repository:a:own,pull"]).repositories).toEqual([{ name: "a", actions: ["pull"] }]);
  });

  test("of a name that is none is refused, and so are more than a hundred", () => {
    expect(() => parseScopes(["repository:A:pull"])).toThrow(/name/);
    const many = Array.from({ length: 101 }, (_, index) => `repository:r${index}:pull`);
    expect(() => parseScopes([many.join(" ")])).toThrow(/100/);
    expect(parseScopes(many.slice(1)).repositories).toHaveLength(100);
  });

  test("of a challenge is one repository's", () => {
    expect(formatScope({ name: "a", actions: ["pull", "push"] })).toBe("repository:a:pull,push");
  });
});

import { describe, expect, test } from "vitest";
import { ERROR_STATUS, type ErrorEntry, RegistryError } from "../../src/oci/errors.ts";
import { refusalOf } from "./refusal.ts";

describe("the specification's codes", () => {
  // In its order: code-1 to code-14.
  test("are all there, each with its status", () => {
    expect(Object.entries(ERROR_STATUS)).toEqual([
      ["BLOB_UNKNOWN", 404],
      ["BLOB_UPLOAD_INVALID", 400],
      ["BLOB_UPLOAD_UNKNOWN", 404],
      ["DIGEST_INVALID", 400],
      ["MANIFEST_BLOB_UNKNOWN", 400],
      ["MANIFEST_INVALID", 400],
      ["MANIFEST_UNKNOWN", 404],
      ["NAME_INVALID", 400],
      ["NAME_UNKNOWN", 404],
      ["SIZE_INVALID", 400],
      ["UNAUTHORIZED", 401],
      ["DENIED", 403],
      ["UNSUPPORTED", 405],
      ["TOOMANYREQUESTS", 429],
      // No code of the specification: 503.
      ["UNAVAILABLE", 503],
    ]);
  });
});

describe("an error", () => {
  test("has its code's status and one entry", () => {
    const error = new RegistryError("DENIED", "you may not push here");
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.message, error.status]).toEqual([
      "RegistryError",
      "you may not push here",
      403,
    ]);
    expect(error.headers).toEqual({});
    expect(JSON.stringify(error.entries)).toBe('[{"code":"DENIED","message":"you may not push here"}]');
  });

  test("has another status and headers where its thrower says so", () => {
    const headers = { "Retry-After": "5" };
    const error = new RegistryError("TOOMANYREQUESTS", "later", { status: 503, headers });
    expect([error.status, error.headers]).toEqual([503, headers]);
  });

  test.each([["text"], [""], [0], [false], [null], [{ name: "a" }]])("carries the detail %j", (detail) => {
    expect(new RegistryError("NAME_INVALID", "no", { detail }).entries).toEqual([
      { code: "NAME_INVALID", message: "no", detail },
    ]);
  });

  test("of many entries has them all, and the status of the first", () => {
    const entries = [
      { code: "MANIFEST_BLOB_UNKNOWN", message: "no config", detail: "sha256:1" },
      { code: "DENIED", message: "no layer", detail: "sha256:2" },
    ] as const;
    const error = RegistryError.of(entries);
    expect(error).toBeInstanceOf(RegistryError);
    expect([error.status, error.message, error.entries]).toEqual([400, "no config", entries]);
  });

  test("of no entries is a bug, not an answer", () => {
    expect(() => RegistryError.of([])).toThrow(TypeError);
  });
});

describe("the tests' own refusalOf", () => {
  test("takes neither a result nor another error for a refusal", () => {
    expect(() => refusalOf(() => null)).toThrow("was accepted: null");
    expect(() =>
      refusalOf(() => {
        throw new TypeError("a bug");
      }),
    ).toThrow(TypeError);
  });
});

function missing(count: number): ErrorEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ code: "MANIFEST_BLOB_UNKNOWN", message: "missing", detail: { digest: `sha256:${index}` } },
  }));
}

describe("an error of many things", () => {
  test("lists a hundred, and says how many more there are", () => {
    expect(RegistryError.of(missing(100)).entries).toEqual(missing(100));
    const { entries, status } = RegistryError.of(missing(1234));
    expect([entries.length, status]).toEqual([101, 400]);
    expect(entries.slice(0, 100)).toEqual(missing(100));
    expect(entries[100]).toEqual({
      ...{ code: "MANIFEST_BLOB_UNKNOWN", message: "1134 more of these are not listed" },
    });
  });
});

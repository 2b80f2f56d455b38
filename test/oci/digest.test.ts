import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  algorithmOf,
  type Digest,
  digestOf,
  hexOf,
  isDigest,
  parseAlgorithm,
  parseDigest,
  snapshot,
} from "../../src/oci/digest.ts";
import { refusalOf } from "./refusal.ts";

const HEX = "0123456789abcdef";
const SHA256 = `sha256:${HEX.repeat(4)}`;
const SHA512 = `sha512:${HEX.repeat(8)}`;

const NOT_A_DIGEST = "not a digest: expected <algorithm>:<hex>";
const UNSUPPORTED = "unsupported digest algorithm: use sha256 or sha512";
const MALFORMED_256 = "malformed sha256 digest: expected 64 lower-case hexadecimal digits";
const MALFORMED_512 = "malformed sha512 digest: expected 128 lower-case hexadecimal digits";

describe("a digest", () => {
  test.each([SHA256, SHA512, `sha256:${"0".repeat(64)}`, `sha512:${"f".repeat(128)}`])(
    "can be %s",
    (text) => {
      expect(isDigest(text)).toBe(true);
      expect(parseDigest(text)).toBe(text);
    },
  );

  test.each([
    ["", NOT_A_DIGEST],
    ["sha256", NOT_A_DIGEST],
    [HEX.repeat(4), NOT_A_DIGEST],
    [`:${HEX.repeat(4)}`, NOT_A_DIGEST],
    [":", NOT_A_DIGEST],
    [`md5:${HEX.repeat(2)}`, UNSUPPORTED],
    [`sha384:${HEX.repeat(6)}`, UNSUPPORTED],
    [`SHA256:${HEX.repeat(4)}`, UNSUPPORTED],
    [`sha-256:${HEX.repeat(4)}`, UNSUPPORTED],
    [` sha256:${HEX.repeat(4)}`, UNSUPPORTED],
    [`sha256+b64:${HEX.repeat(4)}`, UNSUPPORTED],
    [`ѕha256:${HEX.repeat(4)}`, UNSUPPORTED],
    [`__proto__:${HEX.repeat(4)}`, UNSUPPORTED],
    [`constructor:${HEX.repeat(4)}`, UNSUPPORTED],
    [`toString:${HEX.repeat(4)}`, UNSUPPORTED],
    ["sha256:", MALFORMED_256],
    [SHA256.slice(0, -1), MALFORMED_256],
    [`${SHA256}0`, MALFORMED_256],
    [`${SHA256}\n`, MALFORMED_256],
    [`${SHA256.slice(0, -1)}\n`, MALFORMED_256],
    [`${SHA256.slice(0, -1)}g`, MALFORMED_256],
    [`${SHA256.slice(0, -1)}F`, MALFORMED_256],
    [`${SHA256.slice(0, -1)} `, MALFORMED_256],
    [`${SHA256.slice(0, -1)}０`, MALFORMED_256],
    [`${SHA256.slice(0, -2)}😀`, MALFORMED_256],
    [`sha256:${SHA256}`, MALFORMED_256],
    [`sha256::${HEX.repeat(4).slice(1)}`, MALFORMED_256],
    [`sha256:${HEX.repeat(8)}`, MALFORMED_256],
    [`sha512:${HEX.repeat(4)}`, MALFORMED_512],
    [SHA512.slice(0, -1), MALFORMED_512],
    [SHA512.toUpperCase().replace("SHA", "sha"), MALFORMED_512],
  ])("is not %j: %s", (text, message) => {
    expect(isDigest(text)).toBe(false);
    expect(refusalOf(() => parseDigest(text))).toEqual({
      status: 400,
      code: "DIGEST_INVALID",
      message,
      detail: text,
      headers: {},
    });
  });

  test.each([
    [null],
    [undefined],
    [256],
    [true],
    [{}],
    [[SHA256]],
    [Object(SHA256)],
    [{ toString: () => SHA256 }],
  ])("is a string, not %j", (value) => {
    expect(isDigest(value)).toBe(false);
  });

  test("that is refused is told in 200 characters", () => {
    const { detail, message } = refusalOf(() => parseDigest(`${"a".repeat(5000)}:`));
    expect([message, detail]).toEqual([UNSUPPORTED, "a".repeat(200)]);
  });

  test.each([
    [SHA256, "sha256", HEX.repeat(4)],
    [SHA512, "sha512", HEX.repeat(8)],
  ])("%s has two parts", (text, algorithm, hex) => {
    expect([algorithmOf(text as Digest), hexOf(text as Digest)]).toEqual([algorithm, hex]);
  });
});

describe("an algorithm", () => {
  test.each(["sha256", "sha512"])("can be %s", (text) => {
    expect(parseAlgorithm(text)).toBe(text);
  });

  test.each(["", "md5", "sha1", "sha384", "SHA256", "sha256 ", "sha256:", "__proto__", "hasOwnProperty"])(
    "cannot be %j",
    (text) => {
      expect(refusalOf(() => parseAlgorithm(text))).toMatchObject({
        status: 400,
        code: "DIGEST_INVALID",
        message: UNSUPPORTED,
        detail: text,
      });
    },
  );

  test("that is refused is told in 200 characters", () => {
    expect(refusalOf(() => parseAlgorithm("a".repeat(201))).detail).toBe("a".repeat(200));
  });
});

describe("digesting", () => {
  // FIPS 180-4's examples.
  const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const ABC_512 = `sha512:${[
    "ddaf35a193617abacc417349ae204131",
    "12e6fa4e89a97ea20a9eeee64b55d39a",
    "2192992a274fc1a836ba3c23a3feebbd",
    "454d4423643ce80e2a9ac94fa54ca49f",
  ].join("")}`;
  const abc = new TextEncoder().encode("abc");

  test("gives what everybody else gets", () => {
    expect(digestOf(new Uint8Array(), "sha256")).toBe(EMPTY);
    expect(digestOf(abc, "sha256")).toBe(ABC);
    expect(digestOf(abc, "sha512")).toBe(ABC_512);
  });

  test("takes a view's bytes, not those around it", () => {
    expect(digestOf(new TextEncoder().encode("xabcx").subarray(1, 4), "sha256")).toBe(ABC);
  });

  test("can go on behind a snapshot", () => {
    const hash = createHash("sha256");
    expect(snapshot(hash, "sha256")).toBe(EMPTY);
    hash.update("ab");
    expect(snapshot(hash, "sha256")).toBe(snapshot(hash, "sha256"));
    expect(snapshot(hash.update("c"), "sha256")).toBe(ABC);
  });
});

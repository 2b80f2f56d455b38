import { describe, expect, test } from "vitest";
import {
  isDigestReference,
  isTag,
  parseNewReference,
  parseNewTag,
  parseReference,
  parseRepositoryName,
  type Reference,
} from "../../src/oci/reference.ts";
import { refusalOf } from "./refusal.ts";

const DIGEST = `sha256:${"0f".repeat(32)}`;

describe("a repository name", () => {
  test.each([
    "a",
    "0",
    "app",
    "team/app",
    "a/b/c/d/e/f/g",
    "library/debian-12",
    "a.b",
    "a_b",
    "a__b",
    "a-b",
    "a--b",
    "a-----b",
    "a.b_c__d-e---f/0.9",
    "v2",
    "blobs/uploads",
    "a".repeat(255),
    `${"a/".repeat(127)}a`,
  ])("can be %s", (text) => {
    expect(parseRepositoryName(text)).toBe(text);
  });

  test.each([
    "",
    " ",
    "A",
    "App",
    "a/B",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/..",
    "../a",
    "a/./b",
    "a/../b",
    ".a",
    "a.",
    "_a",
    "a_",
    "-a",
    "a-",
    "a/-b",
    "a-/b",
    "a..b",
    "a___b",
    "a._b",
    "a.-b",
    "a-_b",
    "team/a..b",
    "team/a___b",
    "team/a.-b",
    "team/A",
    "team/a/b_",
    "a b",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\nb",
    "a\0",
    "a:b",
    "a@b",
    "a+b",
    "a*b",
    "a%2fb",
    "a\\b",
    "é",
    "а",
    "ａ",
    "a/😀",
    "ſ",
    `a${"-".repeat(254)}`,
    `${"a-".repeat(127)}!`,
  ])("cannot be %j", (text) => {
    const { message, ...refusal } = refusalOf(() => parseRepositoryName(text));
    expect(refusal).toEqual({ status: 400, code: "NAME_INVALID", detail: { name: text }, headers: {} });
    expect(message).toMatch(/^malformed repository name: use lower-case letters and digits/);
  });

  test.each([256, 257, 100_000])("cannot have %i characters", (length) => {
    expect(refusalOf(() => parseRepositoryName("a".repeat(length)))).toEqual({
      status: 400,
      code: "NAME_INVALID",
      message: "a repository name has at most 255 characters",
      detail: { name: "a".repeat(255), length },
      headers: {},
    });
  });
});

const TAGS = ["a", "Z", "0", "_", "latest", "v1.2.3", "_a", "a.", "a-", "a..b", "A__--..z", "a".repeat(128)];

const NO_TAGS = [
  "",
  ".",
  "-",
  ".a",
  "-a",
  "a/b",
  "a+b",
  "a b",
  " a",
  "a ",
  "a\n",
  "\na",
  "a\0",
  "a@b",
  "a~b",
  "é",
  "а",
  "ａ",
  "😀",
  "a".repeat(129),
  "a".repeat(5000),
];

const RULE = "a tag has 1 to 128 letters, digits, dots, dashes and underscores, and begins with none of . -";

describe("a tag", () => {
  test.each(TAGS)("can be %s", (text) => {
    expect(isTag(text)).toBe(true);
    expect(parseReference(text)).toBe(text);
    expect(parseNewReference(text)).toBe(text);
    expect(parseNewTag(text)).toBe(text);
    expect(isDigestReference(text as Reference)).toBe(false);
  });

  test.each(NO_TAGS)("that is read or deleted, %j, cannot exist", (text) => {
    expect(isTag(text)).toBe(false);
    expect(refusalOf(() => parseReference(text))).toEqual({
      status: 404,
      code: "MANIFEST_UNKNOWN",
      message: `no manifest can have this tag: ${RULE}`,
      detail: { tag: text.slice(0, 200) },
      headers: {},
    });
  });

  test.each(NO_TAGS)("that is written, %j, is malformed", (text) => {
    const refusal = {
      status: 400,
      code: "MANIFEST_INVALID",
      message: `malformed tag: ${RULE}`,
      detail: { tag: text.slice(0, 200) },
      headers: {},
    };
    expect(refusalOf(() => parseNewReference(text))).toEqual(refusal);
    expect(refusalOf(() => parseNewTag(text))).toEqual(refusal);
  });

  test("is no digest", () => {
    expect(isTag(DIGEST)).toBe(false);
    expect(refusalOf(() => parseNewTag(DIGEST)).code).toBe("MANIFEST_INVALID");
  });
});

describe("a reference with a colon", () => {
  test.each([DIGEST, `sha512:${"0f".repeat(64)}`])("can be the digest %s", (text) => {
    expect(parseReference(text)).toBe(text);
    expect(parseNewReference(text)).toBe(text);
    expect(isDigestReference(text as Reference)).toBe(true);
  });

  test.each([":", "latest:1", ":latest", "sha256:", DIGEST.slice(0, -1), DIGEST.toUpperCase(), "md5:0f0f"])(
    "is a malformed digest when it is %j",
    (text) => {
      for (const parse of [parseReference, parseNewReference]) {
        expect(refusalOf(() => parse(text))).toMatchObject({ status: 400, code: "DIGEST_INVALID" });
      }
    },
  );
});

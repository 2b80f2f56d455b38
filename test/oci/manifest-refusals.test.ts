/** What no manifest may say, and how that is told. */

import { describe, expect, test } from "vitest";
import { parseManifest } from "../../src/oci/manifest.ts";
import { MANIFEST_MEDIA_TYPES, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { A, B, descriptor, IMAGE, INDEX } from "./manifests.ts";
import { refusalOf } from "./refusal.ts";

/** The message of the refusal, which is a MANIFEST_INVALID. */
function complaint(manifest: object | string, contentType: string | null = null): string {
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  const { status, code, message } = refusalOf(() => parseManifest(text, contentType));
  expect([status, code]).toEqual([400, "MANIFEST_INVALID"]);
  expect(message).toMatch(/^invalid manifest: /);
  return message.replace("invalid manifest: ", "");
}

const WHOLE = JSON.stringify(IMAGE);

describe("a text that is no JSON", () => {
  test.each([
    "",
    " ",
    "manifest",
    "{",
    WHOLE.slice(0, -1),
    `${WHOLE}x`,
    `${WHOLE}${WHOLE}`,
    `\ufeff${WHOLE}`,
    `${WHOLE}\0`,
    WHOLE.replaceAll('"', "'"),
    WHOLE.replace("{", '{"a":01,'),
    WHOLE.replace("{", '{"a":NaN,'),
    WHOLE.replace("{", '{"a":"\n",'),
    WHOLE.replace("}]}", "},]}"),
    "[".repeat(100_000),
    '{"a":'.repeat(100_000),
  ])("is refused: %.40j", (text) => {
    expect(complaint(text, OCI_MANIFEST)).toMatch(/^not JSON: ./);
  });
});

test.each(["null", "true", "2", '"manifest"', "[]", `[${WHOLE}]`, "[".repeat(9999) + "]".repeat(9999)])(
  "JSON that is no object is refused: %.40s",
  (text) => {
    expect(complaint(text, OCI_MANIFEST)).toBe("a manifest is a JSON object");
  },
);

describe("schemaVersion", () => {
  test.each([undefined, null, 0, 3, 2.5, -2, "2", [2], {}, true])("cannot be %j", (schemaVersion) => {
    for (const manifest of [IMAGE, INDEX]) {
      expect(complaint({ ...manifest, schemaVersion })).toBe("schemaVersion must be 2");
    }
  });
});

describe("Docker's schema 1", () => {
  const SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json";
  const SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";

  test.each([
    [{ schemaVersion: 1 }, null],
    [{ schemaVersion: 1, name: "a", tag: "latest", fsLayers: [], history: [], signatures: [] }, SIGNED],
    [{ schemaVersion: 1 }, SCHEMA_1],
    [{ schemaVersion: 1 }, "application/json"],
    [{ ...IMAGE, schemaVersion: 1 }, OCI_MANIFEST],
    [{ schemaVersion: 2 }, SIGNED],
    [{}, SCHEMA_1],
    [{ mediaType: SCHEMA_1 }, null],
    [{ ...IMAGE, mediaType: SCHEMA_1 }, OCI_MANIFEST],
    [{ schemaVersion: 2, mediaType: SIGNED }, null],
  ])("is refused by that name: %j as %s", (manifest, contentType) => {
    expect(complaint(manifest, contentType)).toBe(
      "Docker schema 1 manifests are not supported: push the image with a current client",
    );
  });
});

describe("the media type", () => {
  test.each([undefined, null, ""])("cannot be missing: %j and no Content-Type", (mediaType) => {
    expect(complaint({ ...IMAGE, mediaType })).toBe("the media type is missing: send a Content-Type");
  });

  test.each([7, true, [], {}, [OCI_MANIFEST]])("is a text, not %j", (mediaType) => {
    expect(complaint({ ...IMAGE, mediaType }, OCI_MANIFEST)).toBe("mediaType must be a string");
  });

  test.each([
    "x",
    "application/json",
    "__proto__",
    "constructor",
    ` ${OCI_MANIFEST}`,
    `${OCI_MANIFEST}; charset=utf-8`,
    OCI_MANIFEST.toUpperCase(),
    "ünï/😀",
    "x".repeat(200),
  ])("cannot be %j", (mediaType) => {
    const refusal = `unsupported media type ${mediaType}: use one of ${MANIFEST_MEDIA_TYPES.join(", ")}`;
    expect(complaint({ ...IMAGE, mediaType })).toBe(refusal);
    expect(complaint({ ...IMAGE, mediaType: undefined }, mediaType)).toBe(refusal);
  });

  test("is told in 200 characters", () => {
    const sent = complaint({ ...IMAGE, mediaType: undefined }, "x".repeat(5000));
    expect(sent.split(":", 1)).toEqual([`unsupported media type ${"x".repeat(200)}`]);
  });

  test.each([
    [OCI_MANIFEST, OCI_INDEX],
    [OCI_INDEX, OCI_MANIFEST],
    [OCI_MANIFEST, "application/json"],
    ["x", OCI_MANIFEST],
  ])("cannot be %s when the Content-Type is %s", (mediaType, contentType) => {
    expect(complaint({ ...IMAGE, ...INDEX, mediaType }, contentType)).toBe(
      `the Content-Type is ${contentType}, but the manifest's mediaType is ${mediaType}`,
    );
  });
});

test.each([
  ["mediaType", (text: string) => ({ ...IMAGE, mediaType: text })],
  ["artifactType", (text: string) => ({ ...IMAGE, artifactType: text })],
  ["config.mediaType", (text: string) => ({ ...IMAGE, config: descriptor(A, { mediaType: text }) })],
  ["layers[0].mediaType", (text: string) => ({ ...IMAGE, layers: [descriptor(A, { mediaType: text })] })],
  [
    "manifests[0].mediaType",
    (text: string) => ({ ...INDEX, manifests: [descriptor(A, { mediaType: text })] }),
  ],
  ["subject.mediaType", (text: string) => ({ ...INDEX, subject: descriptor(A, { mediaType: text }) })],
])("%s has at most 255 characters", (field, build) => {
  for (const length of [256, 100_000]) {
    expect(complaint(build("x".repeat(length)))).toBe(`${field} must have at most 255 characters`);
  }
  const parse255 = () => parseManifest(JSON.stringify(build("x".repeat(255))), null);
  if (field === "mediaType") expect(complaint(build("x".repeat(255)))).toMatch(/^unsupported media type/);
  else expect(parse255).not.toThrow();
});

/** Where a descriptor stands, and a manifest with `value` there. */
const DESCRIPTORS: [field: string, build: (value: unknown) => object][] = [
  ["config", (value) => ({ ...IMAGE, config: value })],
  ["layers[0]", (value) => ({ ...IMAGE, layers: [value] })],
  ["layers[2]", (value) => ({ ...IMAGE, layers: [descriptor(A), descriptor(B), value] })],
  ["manifests[0]", (value) => ({ ...INDEX, manifests: [value] })],
  ["manifests[1]", (value) => ({ ...INDEX, manifests: [descriptor(A), value] })],
  ["subject", (value) => ({ ...IMAGE, subject: value })],
  ["subject", (value) => ({ ...INDEX, subject: value })],
];

describe.each(DESCRIPTORS)("%s", (field, build) => {
  test.each([false, 0, 7, "", A, [], [descriptor(A)]])("is a descriptor, not %j", (value) => {
    expect(complaint(build(value))).toBe(`${field} must be a descriptor`);
  });

  test.each([
    undefined,
    null,
    "",
    7,
    [A],
    { sha256: A },
    A.slice(7),
    A.slice(0, -1),
    `${A} `,
    A.toUpperCase(),
    `md5:${"0".repeat(32)}`,
    `sha512:${"a".repeat(64)}`,
  ])("has a digest, not %j", (digest) => {
    expect(complaint(build({ ...descriptor(A), digest }))).toBe(
      `${field}.digest must be a sha256 or sha512 digest`,
    );
  });

  test.each([undefined, null, "", "1", "0x1", -1, 0.5, 2 ** 53, 1e300, true, [], [1], {}])(
    "has a size in bytes, not %j",
    (size) => {
      expect(complaint(build(descriptor(A, { size })))).toBe(`${field}.size must be a number of bytes`);
    },
  );

  test("has a size that a number can hold", () => {
    const text = JSON.stringify(build(descriptor(A, { size: 4711 }))).replace("4711", "1e999");
    expect(complaint(text)).toBe(`${field}.size must be a number of bytes`);
  });

  test.each([7, false, [], {}])("has a media type that is a text, not %j", (mediaType) => {
    expect(complaint(build(descriptor(A, { mediaType })))).toBe(`${field}.mediaType must be a string`);
  });
});

describe("a list", () => {
  const LISTS = [
    ["layers", IMAGE],
    ["manifests", INDEX],
  ] as const;

  test.each(LISTS)("of %s cannot be missing or something else", (field, manifest) => {
    for (const value of [undefined, false, 0, 7, "", "none", {}, { length: 0 }, descriptor(A)]) {
      expect(complaint({ ...manifest, [field]: value })).toBe(`${field} must be a list of descriptors`);
    }
  });

  test.each(LISTS)("of %s cannot hold null", (field, manifest) => {
    expect(complaint({ ...manifest, [field]: [null] })).toBe(`${field}[0] must be a descriptor`);
  });
});

describe("an image manifest", () => {
  test.each([undefined, null])("cannot have the config %j", (config) => {
    expect(complaint({ ...IMAGE, config })).toBe("config must be a descriptor");
  });

  test("cannot inherit its config", () => {
    const { config, ...rest } = IMAGE;
    const text = JSON.stringify(rest).replace("{", `{"__proto__":${JSON.stringify({ config })},`);
    expect(complaint(text)).toBe("config must be a descriptor");
  });
});

describe("annotations", () => {
  test.each([
    false,
    0,
    "",
    "a=b",
    [],
    ["a"],
    { a: 1 },
    { a: null },
    { a: true },
    { a: ["b"] },
    { a: { b: "c" } },
    { a: "b", c: 0 },
  ])("map strings to strings: %j does not", (annotations) => {
    for (const manifest of [IMAGE, INDEX]) {
      expect(complaint({ ...manifest, annotations })).toBe("annotations must map strings to strings");
    }
  });
});

test.each([7, false, [], {}])("the artifact type is a text, not %j", (artifactType) => {
  for (const manifest of [IMAGE, INDEX]) {
    expect(complaint({ ...manifest, artifactType })).toBe("artifactType must be a string");
  }
});

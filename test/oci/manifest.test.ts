/** What a manifest says; manifest-refusals.test.ts has what no manifest may say. */

import { describe, expect, test } from "vitest";
import { type Manifest, parseManifest } from "../../src/oci/manifest.ts";
import { MANIFEST_MEDIA_TYPES, manifestKind, OCI_INDEX, OCI_MANIFEST } from "../../src/oci/media-types.ts";
import { CONFIG } from "../support/manifests.ts";
import { A, B, C, D, descriptor, IMAGE, INDEX } from "./manifests.ts";

function parse(manifest: object, contentType: string | null = null): Manifest {
  return parseManifest(JSON.stringify(manifest), contentType);
}

describe("an image manifest", () => {
  test("names its config and layers, and is of its config's type", () => {
    expect(parse(IMAGE)).toEqual({
      mediaType: OCI_MANIFEST,
      blobs: [A, B, C],
      nonDistributable: [],
      manifests: [],
      subject: null,
      artifactType: CONFIG,
      annotations: {},
    });
  });

  test("names each blob once, however often it is written", () => {
    const layers = [B, C, B, A, B].map((digest) => descriptor(digest));
    expect(parse({ ...IMAGE, layers }).blobs).toEqual([A, B, C]);
  });

  test("may name sha512 digests, and blobs of 0 or 2^53 - 1 bytes", () => {
    const sha512 = `sha512:${"0".repeat(128)}`;
    const layers = [descriptor(sha512, { size: 0 }), descriptor(B, { size: Number.MAX_SAFE_INTEGER })];
    expect(parse({ ...IMAGE, layers }).blobs).toEqual([A, sha512, B]);
  });

  test("may have thousands of layers", () => {
    const digests = Array.from({ length: 5000 }, (_, index) => `sha256:${String(index).padStart(64, "0")}`);
    expect(parse({ ...IMAGE, layers: digests.map((digest) => descriptor(digest)) }).blobs).toEqual([
      A,
      ...digests,
    ]);
  });

  test.each([[[]], [null]])("may have the layers %j", (layers) => {
    expect(parse({ ...IMAGE, layers }).blobs).toEqual([A]);
  });

  test("names no manifests, whatever it has in that field", () => {
    expect(parse({ ...IMAGE, manifests: [descriptor(D)] }).manifests).toEqual([]);
  });
});

describe("a layer with urls", () => {
  const elsewhere = { urls: ["https://example.com/layer"] };

  test("need not be here", () => {
    const layers = [descriptor(B, elsewhere), descriptor(C), descriptor(B, elsewhere)];
    const { blobs, nonDistributable } = parse({ ...IMAGE, layers });
    expect([blobs, nonDistributable]).toEqual([[A, C], [B]]);
  });

  test.each([[[]], [null], [undefined], ["https://example.com/layer"], [{}], [7], [true]])(
    "has a list of them: %j is none",
    (urls) => {
      const { blobs, nonDistributable } = parse({ ...IMAGE, layers: [descriptor(B, { urls })] });
      expect([blobs, nonDistributable]).toEqual([[A, B], []]);
    },
  );

  test("must be here when it stands again without them, before or behind", () => {
    for (const layers of [
      [descriptor(B, elsewhere), descriptor(B)],
      [descriptor(B), descriptor(B, elsewhere)],
    ]) {
      const { blobs, nonDistributable } = parse({ ...IMAGE, layers });
      expect([blobs, nonDistributable]).toEqual([[A, B], []]);
    }
  });

  test("must be here when it is the config, and a config must be here whatever urls it has", () => {
    const config = descriptor(A, { mediaType: CONFIG, ...elsewhere });
    const { blobs, nonDistributable } = parse({ ...IMAGE, config, layers: [descriptor(A, elsewhere)] });
    expect([blobs, nonDistributable]).toEqual([[A], []]);
  });
});

describe("an image index", () => {
  test("names its manifests, once each, and no blobs", () => {
    const manifests = [B, C, B].map((digest) => descriptor(digest, { mediaType: OCI_MANIFEST }));
    expect(parse({ ...INDEX, manifests, config: descriptor(A), layers: [descriptor(D)] })).toEqual({
      mediaType: OCI_INDEX,
      blobs: [],
      nonDistributable: [],
      manifests: [B, C],
      subject: null,
      artifactType: null,
      annotations: {},
    });
  });

  test.each([[[]], [null]])("may have the manifests %j", (manifests) => {
    expect(parse({ ...INDEX, manifests }).manifests).toEqual([]);
  });
});

describe("the media type", () => {
  const fields = { schemaVersion: 2, config: descriptor(A), layers: [], manifests: [descriptor(B)] };

  describe.each(MANIFEST_MEDIA_TYPES)("%s", (mediaType) => {
    test("decides what is read, from the manifest, the Content-Type or both", () => {
      for (const [own, contentType] of [
        [mediaType, null],
        [undefined, mediaType],
        [null, mediaType],
        ["", mediaType],
        [mediaType, mediaType],
      ] as const) {
        const { mediaType: found, blobs, manifests } = parse({ ...fields, mediaType: own }, contentType);
        expect(found).toBe(mediaType);
        expect([blobs, manifests]).toEqual(manifestKind(mediaType) === "image" ? [[A], []] : [[], [B]]);
      }
    });
  });
});

describe("the artifact type", () => {
  test.each([
    ["application/vnd.example", CONFIG, "application/vnd.example"],
    [undefined, CONFIG, CONFIG],
    [null, CONFIG, CONFIG],
    ["", CONFIG, CONFIG],
    [undefined, undefined, null],
    [undefined, null, null],
    [undefined, "", null],
    ["a".repeat(255), CONFIG, "a".repeat(255)],
    [undefined, "a".repeat(255), "a".repeat(255)],
  ])("of an image that says %j with a config of %j is %j", (artifactType, mediaType, expected) => {
    const config = descriptor(A, { mediaType });
    expect(parse({ ...IMAGE, artifactType, config }).artifactType).toBe(expected);
  });

  test.each([
    ["application/vnd.example", "application/vnd.example"],
    [undefined, null],
    [null, null],
    ["", null],
  ])("of an index that says %j is %j", (artifactType, expected) => {
    expect(parse({ ...INDEX, artifactType }).artifactType).toBe(expected);
  });
});

describe("the subject", () => {
  test.each([IMAGE, INDEX])("is a digest, which is none of its own references", (manifest) => {
    const { subject, blobs, manifests } = parse({ ...manifest, subject: descriptor(D) });
    expect(subject).toBe(D);
    expect([...blobs, ...manifests]).not.toContain(D);
  });

  test.each([null, undefined])("is none when it is %j", (subject) => {
    expect(parse({ ...IMAGE, subject }).subject).toBe(null);
  });
});

describe("annotations", () => {
  test.each([
    [{}],
    [{ "": "" }],
    [{ "org.opencontainers.image.title": "ünï😀\u0000\ud800" }],
    [{ constructor: "a", toString: "b" }],
    [{ long: "a".repeat(100_000) }],
  ])("are kept as they are: %j", (annotations) => {
    expect(parse({ ...IMAGE, annotations }).annotations).toEqual(annotations);
  });

  test.each([null, undefined])("are none when they are %j", (annotations) => {
    expect(parse({ ...IMAGE, annotations }).annotations).toEqual({});
  });

  test("of the name __proto__ are annotations", () => {
    const text = JSON.stringify(IMAGE).replace(/}$/, ',"annotations":{"__proto__":"a"}}');
    expect(Object.entries(parseManifest(text, null).annotations)).toEqual([["__proto__", "a"]]);
  });
});

test("a manifest may say more than the registry understands", () => {
  const more = { history: [1, null], ünï: {}, platform: "none", layers: [descriptor(B, { data: "eA==" })] };
  expect(parse({ ...IMAGE, ...more }).blobs).toEqual([A, B]);
});

test("a manifest may be written with white space and escapes", () => {
  const text = ` \r\n\t${JSON.stringify(IMAGE, null, 4).replaceAll("a", "\\u0061")}\n`;
  expect(parseManifest(text, OCI_MANIFEST).blobs).toEqual([A, B, C]);
});

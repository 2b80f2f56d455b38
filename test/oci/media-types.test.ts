import { describe, expect, test } from "vitest";
import {
  essence,
  isManifestMediaType,
  isSchema1,
  MANIFEST_MEDIA_TYPES,
  type ManifestMediaType,
  manifestKind,
} from "../../src/oci/media-types.ts";

// Spelled out, since the registry and its clients must mean the same.
const KINDS: [ManifestMediaType, "image" | "index"][] = [
  ["application/vnd.oci.image.manifest.v1+json", "image"],
  ["application/vnd.oci.image.index.v1+json", "index"],
  ["application/vnd.docker.distribution.manifest.v2+json", "image"],
  ["application/vnd.docker.distribution.manifest.list.v2+json", "index"],
];

describe("the media types of manifests", () => {
  test("are four", () => {
    expect(MANIFEST_MEDIA_TYPES).toEqual(KINDS.map(([mediaType]) => mediaType));
  });

  test.each(KINDS)("%s is an %s", (mediaType, kind) => {
    expect(isManifestMediaType(mediaType)).toBe(true);
    expect(manifestKind(mediaType)).toBe(kind);
    expect(isSchema1(mediaType)).toBe(false);
  });

  test.each([
    "",
    "application/json",
    "application/vnd.oci.image.manifest.v1",
    "application/vnd.oci.image.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json ",
    "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.artifact.manifest.v1+json",
    "Application/Vnd.Oci.Image.Manifest.V1+Json",
    "__proto__",
    "constructor",
    "toString",
  ])("%j is none", (text) => {
    expect(isManifestMediaType(text)).toBe(false);
  });
});

describe("Docker's schema 1", () => {
  test.each(["json", "prettyjws"])("ends with +%s", (suffix) => {
    expect(isSchema1(`application/vnd.docker.distribution.manifest.v1+${suffix}`)).toBe(true);
  });

  test.each([
    "",
    "application/vnd.docker.distribution.manifest.v1",
    "application/vnd.docker.distribution.manifest.v1+jsonx",
    "xapplication/vnd.docker.distribution.manifest.v1+json",
    "application/vnd-docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
  ])("is not %j", (text) => {
    expect(isSchema1(text)).toBe(false);
  });
});

describe("a Content-Type's essence", () => {
  test.each([
    [undefined, null],
    ["", null],
    [" ", null],
    [";", null],
    ["; charset=utf-8", null],
    ["application/json", "application/json"],
    [" \tapplication/json\t ", "application/json"],
    ["Application/JSON", "application/json"],
    ["application/json;charset=utf-8", "application/json"],
    ["application/json ; charset=utf-8; q=1", "application/json"],
    ["application/json;", "application/json"],
    ['application/json; a="b;c"', "application/json"],
    ["application/vnd.oci.image.manifest.v1+json; charset=UTF-8", KINDS[0]?.[0]],
    ["application", "application"],
    ["application/json, text/html", "application/json, text/html"],
  ])("of %j is %j", (header, expected) => {
    expect(essence(header)).toBe(expected);
  });
});

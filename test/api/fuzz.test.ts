/** Thousands of malformed requests: each is refused with the specification's codes, none is a 500. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERROR_STATUS } from "../../src/oci/errors.ts";
import { pushImage } from "../support/images.ts";
import { request, sha256 } from "../support/registry.ts";

const RUNS = 1500;

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
const digest = fc.constantFrom(
  sha256("config"),
  sha256("nobody"),
  "sha256:",
  "sha256:zz",
  "md5:00",
  "sha512:ab",
);
const strange = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom(
    "..",
    "%",
    "%00",
    "%2f",
    "%ff",
    "//",
    "a".repeat(3000),
    "A",
    "-",
    "_",
    ":",
    "@",
    "é",
    "\u{1f433}",
  ),
);
const name = fc.oneof(fc.constantFrom("a", "a/b", "b", "blobs", "uploads", "x".repeat(256)), strange);
const segment = fc.oneof(
  digest,
  strange,
  fc.constantFrom("latest", "list", "uploads", "", crypto.randomUUID(), "tags", "manifests"),
);
const path = fc
  .tuple(
    name,
    fc.constantFrom(
      "blobs",
      "blobs/uploads",
      "manifests",
      "tags",
      "referrers",
      "_catalog",
      "_oci/ext/discover",
      "",
    ),
    segment,
  )
  .map(([repository, kind, rest]) => `/v2/${encodeLoosely(repository)}/${kind}/${encodeLoosely(rest)}`);
const query = fc
  .dictionary(
    fc.constantFrom("digest", "mount", "from", "n", "last", "tag", "artifactType", "digest-algorithm", "ns"),
    fc.oneof(digest, strange, fc.constantFrom("0", "-1", "1.5", "a", "sha256", "sha512")),
    { maxKeys: 3 },
  )
  .map((entries) => new URLSearchParams(entries).toString());
const header = fc.oneof(
  fc.constantFrom("bytes=0-", "bytes=9-1", "0-5", "5", "-", "bytes 0-0/1", '"x"', "*", "a/b; c=d"),
  fc.constantFrom("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"),
  fc.string({ maxLength: 30 }).map((text) => text.replace(/[^\x20-\x7e]/g, "?")),
);
const headers = fc.dictionary(
  fc.constantFrom("Range", "Content-Range", "Content-Type", "If-None-Match", "If-Range", "Accept"),
  header,
  { maxKeys: 3 },
);
const body = fc.oneof(
  fc.constant(null),
  fc.string({ maxLength: 100 }),
  fc.json(),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Uint8Array.from(bytes)),
);

/** Leaves some of it unencoded, as broken clients do. */
function encodeLoosely(text: string): string {
  return text.replace(/[^\x21-\x7e]|[?#]/gu, (character) => {
    try {
      return encodeURIComponent(character);
    } catch {
      return "%ED%A0%80";
    }
  });
}

async function check(method: string, target: string, init: RequestInit): Promise<void> {
  const response = await request(method, target, init);
  const text = await response.text();
  expect(response.status).toBeLessThan(500);
  // A path with dots in it may lead out of the registry, to pages.
  const { pathname } = new URL(target, "https://registry.test");
  if (response.status < 400 || method === "HEAD" || !pathname.startsWith("/v2/")) return;
  expect(response.headers.get("Content-Type")).toBe("application/json");
  const { errors } = JSON.parse(text) as { errors: { code: string; message: string }[] };
  expect(errors.length).toBeGreaterThan(0);
  for (const { code, message } of errors) {
    expect(Object.keys(ERROR_STATUS)).toContain(code);
    expect(message.length).toBeGreaterThan(10);
  }
}

describe("invariant 8: malformed requests", () => {
  test("of any method, path, query, header and body", async () => {
    await pushImage("a", "latest", "config", []);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...METHODS), path, query, headers, body, (method, target, q, h, b) =>
        check(method, `${target}?${q}`, {
          headers: h,
          ...(method === "GET" || method === "HEAD" ? {} : { body: b }),
        }),
      ),
      { numRuns: RUNS },
    );
  }, 240_000);

  test("manifests that are almost right", async () => {
    const descriptor = fc.record(
      {
        mediaType: fc.oneof(fc.constantFrom("", "a/b"), fc.jsonValue()),
        digest: fc.oneof(digest, fc.jsonValue()),
        size: fc.oneof(fc.integer(), fc.jsonValue()),
        urls: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const manifest = fc.record(
      {
        schemaVersion: fc.oneof(fc.constantFrom(1, 2, 2, 2, 2), fc.jsonValue()),
        mediaType: fc.oneof(fc.constantFrom("application/vnd.oci.image.manifest.v1+json"), fc.jsonValue()),
        config: fc.oneof(descriptor, fc.jsonValue()),
        layers: fc.oneof(fc.array(descriptor, { maxLength: 3 }), fc.jsonValue()),
        manifests: fc.oneof(fc.array(descriptor, { maxLength: 3 }), fc.jsonValue()),
        subject: fc.oneof(descriptor, fc.jsonValue()),
        annotations: fc.jsonValue(),
        artifactType: fc.jsonValue(),
      },
      { requiredKeys: ["schemaVersion"] },
    );
    const type = fc.constantFrom(
      "application/vnd.oci.image.manifest.v1+json",
      "application/vnd.oci.image.index.v1+json",
      "application/vnd.docker.distribution.manifest.v2+json",
    );
    await pushImage("a", "latest", "config", []);
    await fc.assert(
      fc.asyncProperty(manifest, type, fc.constantFrom("latest", "v1"), (json, contentType, tag) =>
        check("PUT", `/v2/a/manifests/${tag}`, {
          body: new TextEncoder().encode(JSON.stringify(json)),
          headers: { "Content-Type": contentType },
        }),
      ),
      { numRuns: RUNS },
    );
  }, 240_000);

  test("chunks, ranges and closings in any order on one session", async () => {
    const step = fc.record({
      method: fc.constantFrom("PATCH", "PUT", "GET", "DELETE"),
      headers,
      body,
      digest: fc.option(digest),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
        const started = await request("POST", "/v2/a/blobs/uploads/");
        const location = started.headers.get("Location");
        for (const { method, headers, body, digest } of steps) {
          const target = digest === null ? `${location}` : `${location}?digest=${digest}`;
          await check(method, target, { headers, ...(method === "GET" ? {} : { body }) });
        }
      }),
      { numRuns: RUNS / 3 },
    );
  }, 240_000);
});

describe("malformed names", () => {
  test.each([
    "A",
    "a/",
    "/a",
    "a//b",
    "-a",
    "a-",
    "a..b",
    "a___b",
    ".a",
    "a/-b",
    "a b",
    "é",
    "a:b",
    "x".repeat(256),
  ])("%j is NAME_INVALID on every endpoint", async (name) => {
    const encoded = encodeURIComponent(name).replaceAll("%2F", "/");
    const targets: [string, string][] = [
      ["GET", `/v2/${encoded}/tags/list`],
      ["GET", `/v2/${encoded}/manifests/latest`],
      ["PUT", `/v2/${encoded}/manifests/latest`],
      ["GET", `/v2/${encoded}/blobs/${sha256("config")}`],
      ["POST", `/v2/${encoded}/blobs/uploads/`],
      ["GET", `/v2/${encoded}/referrers/${sha256("config")}`],
    ];
    for (const [method, target] of targets) {
      const response = await request(method, target);
      const { errors } = (await response.json()) as { errors: { code: string }[] };
      expect([target, response.status, errors[0]?.code]).toEqual([target, 400, "NAME_INVALID"]);
    }
  });

  test.each(["a", "0", "a.b", "a_b", "a__b", "a---b", "a/b/c", "a-b.c_d__e", "x".repeat(255)])(
    "%j is a name",
    async (name) => {
      expect((await request("GET", `/v2/${name}/tags/list`)).status).toBe(404);
      await pushImage(name, "latest", "config", []);
      expect((await request("GET", `/v2/${name}/tags/list`)).status).toBe(200);
    },
  );
});

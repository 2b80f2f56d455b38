/** Manifests: push, pull and delete. */

import { Hono } from "hono";
import { log } from "../log.ts";
import { algorithmOf, type Digest, digestOf } from "../oci/digest.ts";
import { RegistryError } from "../oci/errors.ts";
import { MAX_MANIFEST_SIZE, parseManifest } from "../oci/manifest.ts";
import { essence } from "../oci/media-types.ts";
import {
  isDigestReference,
  parseNewReference,
  parseNewTag,
  parseReference,
  type Reference,
  type RepositoryName,
} from "../oci/reference.ts";
import type { Database } from "../storage/database.ts";
import { deleteManifest, deleteTag } from "../storage/manifest-deletion.ts";
import { putManifest } from "../storage/manifest-push.ts";
import { getManifest, headManifest, type ManifestInfo } from "../storage/manifests.ts";
import type { ImmutableTag } from "../storage/policies.ts";
import { isPullNews, notePull } from "../storage/pulls.ts";
import { storesOf } from "../storage/stores.ts";
import { authorize, requireDeletion } from "./authorize.ts";
import { etagOf, isNotModified } from "./conditional.ts";
import { actorOf, type Context, type RegistryEnv } from "./context.ts";
import { limitedBody } from "./limited-body.ts";
import { overQuota } from "./quota-refusal.ts";
import { relianceOf } from "./reliance.ts";

/** How many `?tag=` one push may carry; the specification asks for 10 at least. */
const MAX_TAGS = 100;

export const manifests = new Hono<RegistryEnv>();

// end-3: GET, HEAD /v2/<name>/manifests/<reference>
manifests.get("/v2/:name{.+}/manifests/:reference", async (c) => {
  const name = authorize(c, "pull");
  const reference = parseReference(c.req.param("reference"));
  const { databaseLimit, readReplicas } = c.get("settings");
  const stores = storesOf(c.env, name, databaseLimit);

  // Neither reads the bytes.
  if (c.req.method === "HEAD" || c.req.header("If-None-Match") !== undefined) {
    const info = await headManifest(stores.db, name, reference, relianceOf(c, name));
    if (info === null) throw unknown(reference);
    const same = isNotModified(c, info.digest);
    // Who has it already, and asks for it, has a use for it.
    if (same && c.req.method === "GET") noteUse(c, stores.db, name, info);
    if (same) return c.body(null, 304, { ETag: etagOf(info.digest) });
    if (c.req.method === "HEAD") return c.body(null, 200, headersOf(info));
  }

  const manifest = await getManifest(stores, name, reference, readReplicas);
  if (manifest === null) throw unknown(reference);
  noteUse(c, stores.db, name, manifest);
  return c.body(manifest.content, 200, headersOf(manifest));
});

/** Behind the answer, and seldom. No pull fails of it, and nothing is written where nothing should be. */
function noteUse(
  c: Context,
  db: Database,
  name: RepositoryName,
  { digest, pulledAt }: Pick<ManifestInfo, "digest" | "pulledAt">,
): void {
  const now = Date.now();
  if (!isPullNews(pulledAt, now) || c.get("settings").readOnly !== null || db.isFull) return;
  const noted = notePull(db, name, digest, now);
  c.executionCtx.waitUntil(noted.catch((error) => log("pull-not-noted", { name, digest, error }, "warn")));
}

function headersOf({ digest, mediaType, size }: ManifestInfo): Record<string, string> {
  return {
    "Content-Type": mediaType,
    "Content-Length": String(size),
    "Docker-Content-Digest": digest,
    ETag: etagOf(digest),
    // A tag moves: ask again every time. Nobody on the way may compress.
    "Cache-Control": "private, no-cache, no-transform",
  };
}

// end-7a, end-7b: PUT /v2/<name>/manifests/<reference>?tag=<tag>&tag=<tag>
manifests.put(
  "/v2/:name{.+}/manifests/:reference",
  // Before the body is taken in.
  async (c, next) => {
    authorize(c, "push");
    await next();
  },
  limitedBody(
    MAX_MANIFEST_SIZE,
    () =>
      new RegistryError("MANIFEST_INVALID", `a manifest has at most ${MAX_MANIFEST_SIZE} bytes`, {
        status: 413,
      }),
  ),
  async (c) => {
    const name = authorize(c, "push");
    const reference = parseNewReference(c.req.param("reference"));
    const extraTags = parseTags(c.req.queries("tag") ?? []);
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    const digest = verify(reference, bytes);
    const text = decode(bytes);
    const manifest = parseManifest(text, essence(c.req.header("Content-Type")));
    const tags = isDigestReference(reference) ? extraTags : [reference, ...extraTags];

    const outcome = await putManifest(
      storesOf(c.env, name, c.get("settings").databaseLimit),
      name,
      { manifest, digest, bytes, text, tags: [...new Set(tags)] },
      c.get("settings").allowSparseIndexes,
      actorOf(c),
      Date.now(),
    );
    if (outcome.kind === "missing") throw RegistryError.of(outcome.digests.map(missingEntry));
    if (outcome.kind === "immutable") throw immutable(outcome.tag, "push under another tag");
    if (outcome.kind === "over-quota") throw await overQuota(c, name, outcome);

    if (manifest.subject !== null) c.header("OCI-Subject", manifest.subject);
    for (const tag of extraTags) c.header("OCI-Tag", tag, { append: true });
    return c.body(null, 201, {
      Location: `/v2/${name}/manifests/${digest}`,
      "Docker-Content-Digest": digest,
    });
  },
);

function parseTags(texts: string[]) {
  if (texts.length > MAX_TAGS) {
    throw new RegistryError("MANIFEST_INVALID", `one push takes at most ${MAX_TAGS} tags`, { status: 414 });
  }
  return texts.map(parseNewTag);
}

/** The digest to store a manifest under. @throws RegistryError DIGEST_INVALID when it was pushed by another */
function verify(reference: Reference, bytes: Uint8Array): Digest {
  if (!isDigestReference(reference)) return digestOf(bytes, "sha256");
  const digest = digestOf(bytes, algorithmOf(reference));
  if (digest === reference) return digest;
  throw new RegistryError("DIGEST_INVALID", "the manifest does not hash to the digest it is pushed by", {
    detail: { expected: reference, actual: digest },
  });
}

function decode(bytes: Uint8Array): string {
  try {
    // A byte order mark is kept: JSON does not allow it, and the text must be the exact bytes.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RegistryError("MANIFEST_INVALID", "invalid manifest: not UTF-8");
  }
}

function missingEntry(digest: Digest) {
  return {
    code: "MANIFEST_BLOB_UNKNOWN",
    message: "the manifest names what this repository does not hold: push that first",
    detail: { digest },
  } as const;
}

// end-9: DELETE /v2/<name>/manifests/<reference>
manifests.delete("/v2/:name{.+}/manifests/:reference", async (c) => {
  const name = authorize(c, "delete");
  const reference = parseReference(c.req.param("reference"));
  requireDeletion(c);

  const outcome = isDigestReference(reference)
    ? await deleteManifest(storesOf(c.env, name).db, name, reference, actorOf(c))
    : await deleteTag(storesOf(c.env, name).db, name, reference, actorOf(c));
  if (outcome.kind === "unknown") throw unknown(reference);
  if (outcome.kind === "immutable") throw immutable(outcome.tag, "keep it");
  if (outcome.kind === "too-many-tags") throw tooManyTags(reference);
  return c.body(null, 202);
});

/** @param instead what to do rather than change the policy */
function immutable({ tag, digest, policy }: ImmutableTag, instead: string): RegistryError {
  const message = `the policy ${policy} keeps the tag ${tag} as it is: ${instead}, or have an administrator change the policy`;
  return new RegistryError("DENIED", message, { status: 409, detail: { tag, digest, policy } });
}

function tooManyTags(reference: Reference): RegistryError {
  const message = "too many tags lead here to see whether a policy keeps one of them: delete some first";
  return new RegistryError("DENIED", message, { status: 409, detail: { reference } });
}

function unknown(reference: Reference): RegistryError {
  return new RegistryError("MANIFEST_UNKNOWN", "this repository holds no such manifest", {
    detail: { reference },
  });
}

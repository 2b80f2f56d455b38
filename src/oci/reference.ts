/** Repository names, tags, and references (a tag or a digest), as the distribution specification spells them. */

import { type Digest, parseDigest } from "./digest.ts";
import { RegistryError } from "./errors.ts";

declare const brand: unique symbol;

export type RepositoryName = string & { readonly [brand]: "RepositoryName" };
export type Tag = string & { readonly [brand]: "Tag" };
export type Reference = Tag | Digest;

/** Docker and containerd refuse longer ones once the registry's host is put in front. */
const MAX_NAME_LENGTH = 255;

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** @throws RegistryError NAME_INVALID */
export function parseRepositoryName(text: string): RepositoryName {
  if (text.length > MAX_NAME_LENGTH) {
    throw new RegistryError("NAME_INVALID", `a repository name has at most ${MAX_NAME_LENGTH} characters`, {
      detail: { name: text.slice(0, MAX_NAME_LENGTH), length: text.length },
    });
  }
  if (!NAME.test(text)) {
    throw new RegistryError(
      "NAME_INVALID",
      "malformed repository name: use lower-case letters and digits, separated by one of . _ __ - and by slashes",
      { detail: { name: text } },
    );
  }
  return text as RepositoryName;
}

export function isTag(text: string): text is Tag {
  return TAG.test(text);
}

/** Whether a reference is a digest. A tag has no colon. */
export function isDigestReference(reference: Reference): reference is Digest {
  return reference.includes(":");
}

/**
 * A reference that is to be read or deleted.
 * @throws RegistryError DIGEST_INVALID for a malformed digest, MANIFEST_UNKNOWN for a malformed tag: nothing
 * can be stored under it.
 */
export function parseReference(text: string): Reference {
  if (text.includes(":")) return parseDigest(text);
  if (isTag(text)) return text;
  throw new RegistryError("MANIFEST_UNKNOWN", `no manifest can have this tag: ${TAG_RULE}`, {
    detail: { tag: text.slice(0, 200) },
  });
}

/**
 * A reference that is to be written.
 * @throws RegistryError DIGEST_INVALID for a malformed digest, MANIFEST_INVALID for a malformed tag.
 */
export function parseNewReference(text: string): Reference {
  return text.includes(":") ? parseDigest(text) : parseNewTag(text);
}

/** @throws RegistryError MANIFEST_INVALID */
export function parseNewTag(text: string): Tag {
  if (isTag(text)) return text;
  throw new RegistryError("MANIFEST_INVALID", `malformed tag: ${TAG_RULE}`, {
    detail: { tag: text.slice(0, 200) },
  });
}

const TAG_RULE =
  "a tag has 1 to 128 letters, digits, dots, dashes and underscores, and begins with none of . -";

/** Digests: `sha256:<64 hex>` and `sha512:<128 hex>`, as the image specification defines them. */

import { createHash, type Hash } from "node:crypto";
import { RegistryError } from "./errors.ts";

declare const brand: unique symbol;

/** A well-formed digest of a supported algorithm. */
export type Digest = string & { readonly [brand]: "Digest" };

const HEX_LENGTH = { sha256: 64, sha512: 128 } as const;

export type Algorithm = keyof typeof HEX_LENGTH;

function isAlgorithm(text: string): text is Algorithm {
  return Object.hasOwn(HEX_LENGTH, text);
}

/** Whether `text` is a digest that this registry can verify. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && faultOf(text) === null;
}

/** @throws RegistryError DIGEST_INVALID, saying what is wrong with `text`. */
export function parseDigest(text: string): Digest {
  const fault = faultOf(text);
  if (fault !== null) throw new RegistryError("DIGEST_INVALID", fault, { detail: text.slice(0, 200) });
  return text as Digest;
}

/** @throws RegistryError DIGEST_INVALID for anything but sha256 and sha512. */
export function parseAlgorithm(text: string): Algorithm {
  if (isAlgorithm(text)) return text;
  throw new RegistryError("DIGEST_INVALID", "unsupported digest algorithm: use sha256 or sha512", {
    detail: text.slice(0, 200),
  });
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.slice(0, digest.indexOf(":")) as Algorithm;
}

/** The part after the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

export function digestOf(bytes: Uint8Array, algorithm: Algorithm): Digest {
  return snapshot(createHash(algorithm).update(bytes), algorithm);
}

/** The digest of what `hash` has been fed so far; it can be fed further. */
export function snapshot(hash: Hash, algorithm: Algorithm): Digest {
  return `${algorithm}:${hash.copy().digest("hex")}` as Digest;
}

function faultOf(text: string): string | null {
  const colon = text.indexOf(":");
  if (colon < 1) return "not a digest: expected <algorithm>:<hex>";
  const algorithm = text.slice(0, colon);
  if (!isAlgorithm(algorithm)) return "unsupported digest algorithm: use sha256 or sha512";
  const hex = text.slice(colon + 1);
  const length = HEX_LENGTH[algorithm];
  if (hex.length === length && /^[0-9a-f]*$/.test(hex)) return null;
  return `malformed ${algorithm} digest: expected ${length} lower-case hexadecimal digits`;
}

/** Where a scrub goes on: a walk, and how far it is. Text on the wire, like "blobs:sha256:…". */

import { isDigest } from "../../oci/digest.ts";
import { PREFIXES } from "../objects/keys.ts";

/** In this order. What is damaged is told last, when all has been healed that can be. */
export const WALKS = ["blobs", "manifests", "objects", "damage"] as const;
export type WalkName = (typeof WALKS)[number];

export interface Cursor {
  walk: WalkName;
  /** The last thing that was looked at; null at the beginning of the walk. */
  after: string | null;
}

/** Where a page of a store begins, and a key of it: keys have 1,024 bytes at most. Bytes. */
const LONGEST = 4096;

const isId = (text: string) => /^\d{1,15}$/.test(text);

const IS_POSITION: Record<WalkName, (text: string) => boolean> = {
  blobs: isDigest,
  manifests: isId,
  objects: (text) =>
    PREFIXES.some((prefix) => text.startsWith(prefix)) &&
    new TextEncoder().encode(text).byteLength <= LONGEST,
  damage: isId,
};

/** Null when it is none. */
export function parseCursor(text: string): Cursor | null {
  const colon = text.indexOf(":");
  const walk = WALKS.find((name) => name === text.slice(0, colon));
  if (colon < 0 || walk === undefined) return null;
  const position = text.slice(colon + 1);
  if (position === "") return { walk, after: null };
  return IS_POSITION[walk](position) ? { walk, after: position } : null;
}

export function formatCursor({ walk, after }: Cursor): string {
  return `${walk}:${after ?? ""}`;
}

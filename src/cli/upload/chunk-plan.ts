/** How large chunks are: what the user, the registry and the way between them allow. */

import { badInput } from "../failure.ts";
import type { ChunkLimits } from "./session.ts";

/** Below this a refused chunk is not halved again: whatever refuses it does not do so for its size. Bytes. */
const SMALLEST = 64 * 1024;

export const DEFAULT_CHUNK = "16MiB";

/** What Cloudflare's edge lets through on Free and Pro zones is 100 MB. */
export const DEFAULT_MAX_BODY = "95MB";

/** Bytes each. `size` shrinks while something on the way refuses it. */
export interface ChunkPlan {
  size: number;
  min: number;
}

/**
 * @param chunk the size wanted, bytes
 * @param maxBody the largest request that gets through, bytes
 * @throws Failure when the registry asks for larger chunks than get through
 */
export function planChunks(chunk: number, maxBody: number, limits: ChunkLimits): ChunkPlan {
  const max = Math.min(maxBody, limits.max ?? maxBody);
  const min = limits.min ?? 1;
  if (min > max) {
    throw badInput(
      `The registry wants chunks of at least ${min} bytes, but requests of more than ${max} bytes do not get through: raise --max-body if they do.`,
    );
  }
  return { size: Math.max(min, Math.min(chunk, max)), min };
}

/**
 * Halves the chunk after one of `length` bytes was too large.
 * @returns false when it cannot get smaller
 */
export function shrink(plan: ChunkPlan, length: number): boolean {
  const half = Math.floor(Math.min(length, plan.size) / 2);
  if (half < Math.max(plan.min, SMALLEST)) return false;
  plan.size = half;
  return true;
}

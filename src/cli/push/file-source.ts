/** A blob that lies in a file: any of its bytes, any number of times. */

import type { ChunkSource } from "../upload/chunk-source.ts";
import { type FileRegion, streamRegion } from "./image-files.ts";

export function fileSource(region: FileRegion): ChunkSource {
  return {
    measure: async (offset, limit) => Math.max(0, Math.min(limit, region.size - offset)),
    read: (offset, length) => streamRegion(region, offset, length),
    release() {},
  };
}

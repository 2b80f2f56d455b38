/** What a test asks of an upload session itself, below the routes. */

import type { Chunk, Closing } from "../../src/storage/upload/protocol.ts";
import { sha256 } from "./content.ts";

const by = {
  ...{ request: "below the routes", name: "tester", credential: "password" },
  ...{ address: "192.0.2.1", userAgent: "test" },
};

/** @param content all of it: what it is closed as */
export function closing(content: Parameters<typeof sha256>[0], chunk: Chunk | null): Closing {
  return { digest: sha256(content), chunk, by };
}

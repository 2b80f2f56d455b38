/** Pushes an image: blobs first, four at once, then manifests, the tag last of all. */

import type { Tag } from "../../oci/reference.ts";
import { atOnce } from "../at-once.ts";
import { fileSource } from "./file-source.ts";
import { type Image, type ImageBlob, verifyBlob } from "./image.ts";
import type { Progress } from "./progress.ts";
import { type BlobOutcome, type PushedBlob, type PushSettings, pushBlob } from "./push-blob.ts";
import type { Registry } from "./registry.ts";
import type { SavedSessions } from "./saved-sessions.ts";

const AT_ONCE = 4;

/** Counts of blobs, and bytes. */
export interface PushSummary {
  sent: number;
  sentBytes: number;
  resumedBytes: number;
  skipped: number;
  skippedBytes: number;
  mounted: number;
}

/**
 * @param settings with what the source is called, for messages
 * @throws Failure, and then nothing is under the tag that was not there before
 */
export async function pushImage(
  registry: Registry,
  image: Image,
  tag: Tag,
  settings: PushSettings & { label: string },
  sessions: SavedSessions,
  progress: Progress,
): Promise<PushSummary> {
  const summary = { sent: 0, sentBytes: 0, resumedBytes: 0, skipped: 0, skippedBytes: 0, mounted: 0 };
  await atOnce(AT_ONCE, image.blobs, async (blob) => {
    const line = progress.begin(blob.digest, blob.region.size);
    const outcome = await pushBlob(registry, pushedBlob(blob, settings.label), settings, sessions, (bytes) =>
      line.update(bytes),
    );
    line.end(outcome);
    count(summary, blob, outcome);
  });
  const root = image.manifests.at(-1);
  for (const manifest of image.manifests) {
    const reference = manifest === root ? tag : manifest.digest;
    await registry.putManifest(reference, manifest.bytes, manifest.mediaType);
  }
  return summary;
}

function pushedBlob(blob: ImageBlob, label: string): PushedBlob {
  const { digest, region } = blob;
  return { digest, size: region.size, source: fileSource(region), verify: () => verifyBlob(blob, label) };
}

function count(summary: PushSummary, blob: ImageBlob, outcome: BlobOutcome): void {
  if (outcome.kind === "exists") {
    summary.skipped += 1;
    summary.skippedBytes += blob.region.size;
  } else if (outcome.kind === "mounted") {
    summary.mounted += 1;
  } else {
    summary.sent += 1;
    summary.sentBytes += outcome.sent;
    summary.resumedBytes += outcome.resumed;
  }
}

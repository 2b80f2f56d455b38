/** Writes what a repository holds into a layout: what a manifest names before itself, and itself before its name. */

import type { Digest } from "../../oci/digest.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../../oci/media-types.ts";
import type { Reference } from "../../oci/reference.ts";
import { Gate } from "../at-once.ts";
import { Failure } from "../failure.ts";
import { type NamedBlob, type PulledManifest, readManifest } from "../pull/manifest.ts";
import { getManifest, headManifest, listReferrers } from "../pull/reading.ts";
import { RemoteBlob } from "../pull/remote-blob.ts";
import type { Report } from "../pull/report.ts";
import type { Progress } from "../push/progress.ts";
import type { Registry } from "../push/registry.ts";
import type { Layout } from "./layout.ts";

const BLOBS_AT_ONCE = 4;

export class RepositoryExport {
  readonly #from: Registry;
  readonly #layout: Layout;
  readonly #report: Report;
  readonly #progress: Progress;
  readonly #gate = new Gate(BLOBS_AT_ONCE);

  constructor(from: Registry, layout: Layout, report: Report, progress: Progress) {
    this.#from = from;
    this.#layout = layout;
    this.#report = report;
    this.#progress = progress;
  }

  /**
   * One image, with whatever refers to it.
   * @param name under which it will be found
   * @throws Failure
   */
  async write(
    reference: Reference,
    name: string,
  ): Promise<{ digest: Digest; outcome: "copied" | "present" }> {
    const head = await headManifest(this.#from, reference);
    const digest = head && (head.digest ?? (await getManifest(this.#from, reference))?.digest);
    if (!digest) throw new Failure(`${this.#from.origin.host} has no ${name}.`);
    const outcome = this.#layout.digestOf(name) === digest ? "present" : "copied";
    const seen = new Set<Digest>();
    const root = await this.#tree(digest, seen);
    await this.#layout.add(describe(root), name);
    // The list grows while it is gone through.
    for (const each of seen) {
      for (const referrer of (await listReferrers(this.#from, each)) ?? []) {
        if (seen.has(referrer)) continue;
        await this.#layout.add(describe(await this.#tree(referrer, seen)), null);
      }
    }
    return { digest, outcome };
  }

  /** @param seen what is there, to which this adds */
  async #tree(digest: Digest, seen: Set<Digest>): Promise<PulledManifest> {
    if (await this.#layout.has(digest)) {
      const bytes = await this.#layout.read(digest);
      const manifest = readManifest(digest, bytes, guessMediaType(bytes));
      seen.add(digest);
      for (const child of manifest.manifests) if (!seen.has(child)) await this.#tree(child, seen);
      return manifest;
    }
    const manifest = await getManifest(this.#from, digest);
    if (manifest === null) throw new Failure(`${this.#from.origin.host} has no ${digest}, which it names.`);
    for (const child of manifest.manifests) if (!seen.has(child)) await this.#tree(child, seen);
    const blobs = manifest.blobs.map((blob) => this.#gate.run(() => this.#blob(blob)));
    // Also after a failure: the next image may want one that is still being written.
    for (const { reason } of (await Promise.allSettled(blobs)).filter(isFailed)) throw reason;
    await this.#layout.put(digest, manifest.bytes);
    this.#report.manifests += 1;
    seen.add(digest);
    return manifest;
  }

  async #blob({ digest, size, elsewhere }: NamedBlob): Promise<void> {
    if (await this.#layout.has(digest)) {
      this.#report.blobs.present += 1;
      return;
    }
    if (elsewhere && !(await this.#from.blobExists(digest))) return;
    const source = new RemoteBlob(this.#from, digest, size);
    const line = this.#progress.begin(digest, size);
    try {
      const resumed = await this.#layout.stream(digest, async function* (offset) {
        let bytes = offset;
        for await (const piece of source.read(offset, Math.max(0, size - offset))) {
          yield piece;
          bytes += piece.length;
          line.update(bytes);
        }
      });
      this.#report.blobs.sent += 1;
      this.#report.bytes += size - resumed;
      this.#report.resumed += resumed;
      line.end({ kind: "written", resumed });
    } catch (error) {
      line.drop();
      throw error;
    } finally {
      source.close();
    }
  }
}

function isFailed(result: PromiseSettledResult<void>): result is PromiseRejectedResult {
  return result.status === "rejected";
}

function describe({ mediaType, digest, bytes }: PulledManifest) {
  return { mediaType, digest, size: bytes.length };
}

/** Of a manifest that does not say it itself: only OCI's may leave it to the answer that it comes with. */
function guessMediaType(bytes: Buffer): string {
  const { mediaType, manifests } = JSON.parse(bytes.toString());
  return mediaType || (manifests === undefined ? OCI_MANIFEST : OCI_INDEX);
}

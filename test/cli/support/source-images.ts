/** Images that a registry in memory holds, for what copies them. */

import { OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/media-types.ts";
import { sha256 } from "../../support/content.ts";
import type { Descriptor } from "../../support/manifests.ts";
import type { MemoryRegistry } from "./memory-registry.ts";

export class SourceImages {
  readonly #registry: MemoryRegistry;

  constructor(registry: MemoryRegistry) {
    this.#registry = registry;
  }

  blob(content: string | Buffer): Descriptor {
    const bytes = Buffer.from(content);
    this.#registry.blobs.set(sha256(bytes), bytes);
    return { mediaType: "application/octet-stream", digest: sha256(bytes), size: bytes.length };
  }

  /** @returns its digest */
  image(tag: string | undefined, layer: string | Buffer, more: object = {}): string {
    const parts = { config: this.blob("{}"), layers: [this.blob(layer)] };
    return this.#registry.keep({ schemaVersion: 2, mediaType: OCI_MANIFEST, ...parts, ...more }, tag);
  }

  /** @returns its digest */
  index(tag: string, ...digests: string[]): string {
    const manifests = digests.map((digest) => this.describe(digest));
    return this.#registry.keep({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, tag);
  }

  describe(digest: string): Descriptor {
    const size = this.#registry.manifests.get(digest)?.length ?? 0;
    return { mediaType: OCI_MANIFEST, digest, size };
  }
}

/** Images on disk, small and in every form that can be pushed. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST } from "../../../src/oci/media-types.ts";
import { sha256 } from "../../support/content.ts";
import type { Descriptor } from "../../support/manifests.ts";

/** An OCI layout in a folder. */
export class Layout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    write(folder, "oci-layout", '{"imageLayoutVersion":"1.0.0"}');
  }

  blob(content: string | Buffer, mediaType = "application/octet-stream"): Descriptor {
    const bytes = Buffer.from(content);
    const digest = sha256(bytes);
    write(this.folder, `blobs/${digest.replace(":", "/")}`, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  image(...layers: (string | Buffer)[]): Descriptor {
    const config = this.blob(`{"for":"${layers.length}"}`);
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: layers.map((l) => this.blob(l)),
    };
    return this.blob(JSON.stringify(manifest), OCI_MANIFEST);
  }

  list(
    manifests: Descriptor[],
    mediaType: typeof OCI_INDEX | typeof DOCKER_MANIFEST_LIST = OCI_INDEX,
  ): Descriptor {
    return this.blob(JSON.stringify({ schemaVersion: 2, mediaType, manifests }), mediaType);
  }

  /** index.json */
  index(...manifests: Descriptor[]): string {
    const text = JSON.stringify({ schemaVersion: 2, manifests });
    write(this.folder, "index.json", text);
    return text;
  }
}

/** What docker save wrote before Docker 25, in a folder. @returns the digests of its layers */
export function writeSaved(folder: string, layers: string[], tag = "app:1"): string[] {
  const digests = layers.map((layer) => sha256(Buffer.from(layer)));
  const config = JSON.stringify({ rootfs: { type: "layers", diff_ids: digests } });
  const name = `${sha256(Buffer.from(config)).slice(7)}.json`;
  write(folder, name, config);
  const paths = layers.map((layer, index) => {
    write(folder, `${index}/layer.tar`, layer);
    return `${index}/layer.tar`;
  });
  write(folder, "manifest.json", JSON.stringify([{ Config: name, RepoTags: [tag], Layers: paths }]));
  return digests;
}

export function write(folder: string, path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

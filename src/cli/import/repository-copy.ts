/**
 * Copies a repository: for each tag what its manifest names, then the manifest, then the tag, and then whatever
 * refers to any of them. So nothing is ever under a tag unless all of it is.
 *
 * A registry without the list of referrers keeps them under tags like sha256-…, which are tags as others are.
 */

import type { Digest } from "../../oci/digest.ts";
import { DOCKER_MANIFEST_LIST, OCI_INDEX } from "../../oci/media-types.ts";
import type { Tag } from "../../oci/reference.ts";
import { atOnce } from "../at-once.ts";
import { describe, Failure } from "../failure.ts";
import type { PulledManifest } from "../pull/manifest.ts";
import { getManifest, headManifest, listReferrers, listTags } from "../pull/reading.ts";
import type { Registry } from "../push/registry.ts";
import { SavedSessions } from "../push/saved-sessions.ts";
import { BlobCopy, type ImportSettings } from "./blob-copy.ts";

const TAGS_AT_ONCE = 4;

export class RepositoryCopy {
  readonly #from: Registry;
  readonly #to: Registry;
  readonly #settings: ImportSettings;
  readonly #blobs: BlobCopy;
  /** Images share manifests: one that is wanted twice at a time is brought once. */
  readonly #underWay = new Map<Digest, Promise<Digest[]>>();
  /** Whether the source has the list of referrers. */
  #listsReferrers = true;

  constructor(from: Registry, to: Registry, settings: ImportSettings) {
    this.#from = from;
    this.#to = to;
    this.#settings = settings;
    this.#blobs = new BlobCopy(from, to, settings, new SavedSessions(`${to.origin.origin} ${to.name}`));
  }

  /** One tag's failure is reported, and the others are copied. @throws ConnectionFailure */
  async copyAll(): Promise<void> {
    const { report } = this.#settings;
    const repository = this.#to.name;
    try {
      await atOnce(TAGS_AT_ONCE, listTags(this.#from), async (tag) => {
        try {
          report.add({ repository, tag, error: null, ...(await this.#copyTag(tag)) });
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          report.add({ repository, tag, digest: null, outcome: "failed", error: describe(error) });
        }
      });
    } catch (error) {
      // Its tags cannot be listed.
      if (!(error instanceof Failure)) throw error;
      report.add({ repository, tag: null, digest: null, outcome: "failed", error: describe(error) });
    }
  }

  async #copyTag(tag: Tag): Promise<{ digest: Digest; outcome: "copied" | "present" }> {
    const [source, there] = await Promise.all([headManifest(this.#from, tag), headManifest(this.#to, tag)]);
    const digest = source && (source.digest ?? (await getManifest(this.#from, tag))?.digest);
    if (!digest) {
      throw new Failure(
        `${this.#from.origin.host} has no manifest for it that can be copied: it has gone, or is of Docker's schema 1.`,
      );
    }
    await this.#copyWithReferrers(digest);
    if (there?.digest === digest) return { digest, outcome: "present" };
    if (!this.#settings.dryRun) {
      const manifest = await getManifest(this.#to, digest);
      if (manifest === null) throw new Failure(`${this.#to.origin.host} has lost ${digest} meanwhile.`);
      await this.#to.putManifest(tag, manifest.bytes, manifest.mediaType);
    }
    return { digest, outcome: "copied" };
  }

  async #copyWithReferrers(root: Digest): Promise<void> {
    const seen = new Set<Digest>();
    const queue = [root];
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      for (const digest of await this.#copy(next)) {
        if (seen.has(digest)) continue;
        seen.add(digest);
        queue.push(...(await this.#referrersOf(digest)).filter((each) => !seen.has(each)));
      }
    }
  }

  async #referrersOf(digest: Digest): Promise<Digest[]> {
    if (!this.#listsReferrers) return [];
    const referrers = await listReferrers(this.#from, digest);
    if (referrers === null) this.#listsReferrers = false;
    return referrers ?? [];
  }

  /** @returns its digest, and those of the manifests below it */
  #copy(digest: Digest): Promise<Digest[]> {
    let copying = this.#underWay.get(digest);
    if (copying === undefined) {
      copying = this.#copyTree(digest).finally(() => this.#underWay.delete(digest));
      this.#underWay.set(digest, copying);
    }
    return copying;
  }

  async #copyTree(digest: Digest): Promise<Digest[]> {
    const there = await headManifest(this.#to, digest);
    const isIndex = there?.mediaType === OCI_INDEX || there?.mediaType === DOCKER_MANIFEST_LIST;
    if (there !== null && !isIndex) return [digest];
    // What is there already need not be asked for where requests may be counted.
    const manifest = await getManifest(there === null ? this.#from : this.#to, digest);
    // An index may name what its registry does not have; whether that will do is for the other one to say.
    if (manifest === null) return [];
    const below: Digest[] = [];
    for (const child of manifest.manifests) below.push(...(await this.#copy(child)));
    if (there === null) await this.#bring(manifest);
    return [digest, ...below];
  }

  async #bring(manifest: PulledManifest): Promise<void> {
    await Promise.all(manifest.blobs.map((blob) => this.#blobs.copy(blob)));
    this.#settings.report.manifests += 1;
    if (this.#settings.dryRun) return;
    await this.#to.putManifest(manifest.digest, manifest.bytes, manifest.mediaType);
  }
}

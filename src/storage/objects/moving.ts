/**
 * Two stores as one, while the objects move from one to the other (../scrub/move.ts): what is new goes to the new one,
 * what is not there yet is read from the old one, and what is deleted goes from both. As no key is used twice, it does
 * not matter which of two objects under a key is read.
 */

import type { Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";
import type { Capabilities, Links, Multipart, ObjectInfo, Objects, Page, Part, Source } from "./objects.ts";

/** Stands behind the prefix where a page is one of the old store. No key of the registry's begins with it. */
const OLD = "|";

/** The new store, and the old one. */
export interface Move {
  to: Objects;
  from: Objects;
}

export class MovingObjects implements Objects, Move {
  readonly can: Capabilities;
  readonly links: Links | null;
  readonly to: Objects;
  readonly from: Objects;
  /** Told the key before an upload ends in the old store, because it began there. */
  beforeOldEnds: (key: string) => Promise<void> = async () => {};

  constructor(to: Objects, from: Objects) {
    this.to = to;
    this.from = from;
    this.can = to.can;
    const { links } = to;
    this.links = links && {
      host: links.host,
      to: async (key) => ((await to.head(key)) === null ? null : links.to(key)),
    };
  }

  putVerified(key: string, body: Source, length: number, digest: Digest) {
    return this.to.putVerified(key, body, length, digest);
  }

  put(key: string, bytes: Uint8Array | string): Promise<void> {
    return this.to.put(key, bytes);
  }

  async get(key: string, range: ByteRange | null): Promise<ReadableStream | null> {
    return (await this.to.get(key, range)) ?? (await this.from.get(key, range));
  }

  async head(key: string): Promise<ObjectInfo | null> {
    return (await this.to.head(key)) ?? (await this.from.head(key));
  }

  async delete(keys: readonly string[]): Promise<void> {
    // The old one first: what is read from there is not copied any more when the other goes.
    await this.from.delete(keys);
    await this.to.delete(keys);
  }

  /** First all of the new store, then all of the old one: what is in both is there twice. */
  async list(prefix: string, from: string | null, limit: number): Promise<Page> {
    const old = `${prefix}${OLD}`;
    if (!from?.startsWith(old)) {
      const page = await this.to.list(prefix, from, limit);
      return { objects: page.objects, next: page.next ?? old };
    }
    const rest = from.slice(old.length);
    const page = await this.from.list(prefix, rest === "" ? null : `${prefix}${rest}`, limit);
    return { objects: page.objects, next: page.next && `${old}${page.next.slice(prefix.length)}` };
  }

  beginMultipart(key: string): Promise<Multipart> {
    return this.to.beginMultipart(key);
  }

  /** Uploads that began in the old store end there. */
  async putPart(multipart: Multipart, number: number, bytes: Uint8Array): Promise<Part | null> {
    return (
      (await this.to.putPart(multipart, number, bytes)) ?? (await this.from.putPart(multipart, number, bytes))
    );
  }

  async completeMultipart(multipart: Multipart, parts: Part[]): Promise<boolean> {
    if (await this.to.completeMultipart(multipart, parts)) return true;
    await this.beforeOldEnds(multipart.key);
    return this.from.completeMultipart(multipart, parts);
  }

  async abortMultipart(multipart: Multipart): Promise<void> {
    await this.to.abortMultipart(multipart);
    await this.from.abortMultipart(multipart);
  }
}

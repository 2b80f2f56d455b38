/** A part of a store, as a store of its own: every key in it begins with the same, which its user never sees. */

import type { Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";
import type { Capabilities, Links, Multipart, ObjectInfo, Objects, Page, Part, Source } from "./objects.ts";

export class AreaObjects implements Objects {
  readonly can: Capabilities;
  readonly links: Links | null;
  readonly #whole: Objects;
  readonly #area: string;

  /** @param area what keys begin with there: no key beside them does */
  constructor(whole: Objects, area: string) {
    this.#whole = whole;
    this.#area = area;
    this.can = whole.can;
    const { links } = whole;
    this.links = links && { host: links.host, to: (key) => links.to(area + key) };
  }

  putVerified(key: string, body: Source, length: number, digest: Digest) {
    return this.#whole.putVerified(this.#area + key, body, length, digest);
  }

  put(key: string, bytes: Uint8Array | string): Promise<void> {
    return this.#whole.put(this.#area + key, bytes);
  }

  get(key: string, range: ByteRange | null): Promise<ReadableStream | null> {
    return this.#whole.get(this.#area + key, range);
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const info = await this.#whole.head(this.#area + key);
    return info && { ...info, key };
  }

  delete(keys: readonly string[]): Promise<void> {
    return this.#whole.delete(keys.map((key) => this.#area + key));
  }

  async list(prefix: string, from: string | null, limit: number): Promise<Page> {
    const page = await this.#whole.list(this.#area + prefix, from && this.#area + from, limit);
    const inside = (key: string) => key.slice(this.#area.length);
    return {
      objects: page.objects.map((info) => ({ ...info, key: inside(info.key) })),
      // It begins with the prefix.
      next: page.next && inside(page.next),
    };
  }

  async beginMultipart(key: string): Promise<Multipart> {
    return { ...(await this.#whole.beginMultipart(this.#area + key)), key };
  }

  putPart(multipart: Multipart, number: number, bytes: Uint8Array): Promise<Part | null> {
    return this.#whole.putPart(this.#within(multipart), number, bytes);
  }

  completeMultipart(multipart: Multipart, parts: Part[]): Promise<boolean> {
    return this.#whole.completeMultipart(this.#within(multipart), parts);
  }

  abortMultipart(multipart: Multipart): Promise<void> {
    return this.#whole.abortMultipart(this.#within(multipart));
  }

  #within({ key, id }: Multipart): Multipart {
    return { key: this.#area + key, id };
  }
}

/**
 * A bucket that is asked as S3 is: who signs, and how. Bodies go out unsigned, under TLS, as their digests are known
 * only when they have passed; aws-chunked is not used, as Google Cloud Storage does not take it.
 */

import { AwsV4Signer } from "aws4fetch";
import type { Links } from "../objects.ts";
import { ask, Refusal } from "../service.ts";
import { pathOf, type S3Endpoint, s3Links } from "../signed-url.ts";

export interface S3Call {
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: BodyInit;
  /** How long the answer may take to begin. Milliseconds; null for as long as it takes. */
  patience?: number | null;
}

const GONE = new Set(["NoSuchKey", "NoSuchUpload"]);

/** Keys that sign, derived once a day. */
const signingKeys = new Map<string, ArrayBuffer>();

export class S3Bucket {
  readonly #endpoint: S3Endpoint;

  constructor(endpoint: S3Endpoint) {
    this.#endpoint = endpoint;
  }

  get links(): Links {
    return s3Links(this.#endpoint);
  }

  /** Asks once. @param key null for the bucket @returns a success @throws Refusal */
  async call(
    method: string,
    key: string | null,
    { query = {}, headers = {}, body, patience }: S3Call = {},
  ): Promise<Response> {
    const { region, accessKeyId, secretAccessKey } = this.#endpoint;
    const signed = await new AwsV4Signer({
      ...{ method, url: this.#urlOf(key, query), headers, accessKeyId, secretAccessKey },
      ...{ service: "s3", cache: signingKeys, ...(region !== null && { region }) },
    }).sign();
    const asked = { method, url: signed.url, headers: signed.headers, ...(body !== undefined && { body }) };
    return ask(asked, patience);
  }

  /** As {@link call}, for an answer without a body. */
  async drop(method: string, key: string, call: S3Call): Promise<void> {
    const response = await this.call(method, key, call);
    await response.body?.cancel();
  }

  /** As {@link call}. Null when there is no such object, or upload. */
  async unlessGone(method: string, key: string, call: S3Call = {}): Promise<Response | null> {
    try {
      return await this.call(method, key, call);
    } catch (error) {
      if (error instanceof Refusal && GONE.has(error.code)) return null;
      throw error;
    }
  }

  #urlOf(key: string | null, query: Record<string, string>): string {
    const path = key === null ? "" : `/${pathOf(key)}`;
    const search = new URLSearchParams(query).toString();
    return `${this.#endpoint.url}${path}${search === "" ? "" : `?${search}`}`;
  }
}

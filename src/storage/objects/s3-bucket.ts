/**
 * A bucket that is asked as S3 is: who signs, and how. Bodies go out unsigned, under TLS, as their digests are known
 * only when they have passed; aws-chunked is not used, as Google Cloud Storage does not take it.
 */

import { AwsV4Signer } from "aws4fetch";
import { ask, Refusal } from "./service.ts";

export interface S3Settings {
  /** With the bucket in its host or at its end, without a slash. */
  url: string;
  /** Null to tell it from the host. */
  region: string | null;
  accessKeyId: string;
  secretAccessKey: string;
}

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
  readonly #settings: S3Settings;

  constructor(settings: S3Settings) {
    this.#settings = settings;
  }

  /** Asks once. @param key null for the bucket @returns a success @throws Refusal */
  async call(
    method: string,
    key: string | null,
    { query = {}, headers = {}, body, patience }: S3Call = {},
  ): Promise<Response> {
    const { region, accessKeyId, secretAccessKey } = this.#settings;
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
    const path = key === null ? "" : `/${key.split("/").map(encode).join("/")}`;
    const search = new URLSearchParams(query).toString();
    return `${this.#settings.url}${path}${search === "" ? "" : `?${search}`}`;
  }
}

/** Every other way to write the same path would be signed otherwise by somebody. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

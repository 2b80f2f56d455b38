/** Links to objects that open without the registry, in S3's way: with a signature in the URL that ends soon. */

import { AwsV4Signer } from "aws4fetch";
import type { Links } from "./objects.ts";

/** Where the bucket is reached in S3's way, and who signs. */
export interface S3Endpoint {
  /** With the bucket in its host or at its end, without a slash. */
  url: string;
  /** Null to tell it from the host. */
  region: string | null;
  accessKeyId: string;
  secretAccessKey: string;
}

/** A download has to begin within this time, not to end. Seconds. */
export const LIFETIME = 900;

export function s3Links({ url, region, accessKeyId, secretAccessKey }: S3Endpoint): Links {
  return {
    host: new URL(url).hostname,
    async to(key) {
      const signed = await new AwsV4Signer({
        ...{
          method: "GET",
          url: `${url}/${pathOf(key)}?X-Amz-Expires=${LIFETIME}`,
          signQuery: true,
          service: "s3",
        },
        ...{ accessKeyId, secretAccessKey, ...(region !== null && { region }) },
      }).sign();
      return signed.url.href;
    },
  };
}

/**
 * Whether clients that follow a link from `host` keep their Authorization header: Go's do so for the same host and
 * those below it, and stores refuse a request that is signed twice.
 */
export function keepsCredentials(host: string, links: Links): boolean {
  return links.host === host || links.host.endsWith(`.${host}`);
}

/** A key in a URL. Every other way to write the same path would be signed otherwise by somebody. */
export function pathOf(key: string): string {
  return encodeURIComponent(key)
    .replaceAll("%2F", "/")
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

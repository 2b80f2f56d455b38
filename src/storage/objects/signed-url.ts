/** Links to objects that open without the registry: R2's S3 endpoint, with a signature in the URL that ends soon. */

import { AwsClient } from "aws4fetch";

/** Where the bucket is reached in S3's way, and who signs. */
export interface S3Endpoint {
  /** With the bucket at its end, without a slash. */
  url: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** A download has to begin within this time, not to end. Seconds. */
const LIFETIME = 900;

/** A URL that reads one object, whole or by ranges, for a quarter of an hour. */
export async function signedUrl(endpoint: S3Endpoint, key: string): Promise<string> {
  const { accessKeyId, secretAccessKey } = endpoint;
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: "s3", region: "auto" });
  const path = key.split("/").map(encodeURIComponent).join("/");
  const signed = await client.sign(`${endpoint.url}/${path}?X-Amz-Expires=${LIFETIME}`, {
    aws: { signQuery: true },
  });
  return signed.url;
}

/**
 * Whether clients that follow a link from `host` keep their Authorization header: Go's do so for the same host and
 * those below it, and R2 refuses a request that is signed twice.
 */
export function keepsCredentials(host: string, { url }: S3Endpoint): boolean {
  const { hostname } = new URL(url);
  return hostname === host || hostname.endsWith(`.${host}`);
}

/** The S3 endpoint that wrangler serves for a bucket of its own: it refuses what is signed wrongly, or twice. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./registry.ts";

/** Where a registry on this port has its bucket. By another name than clients use for it. */
export function s3EndpointAt(port: number): string {
  return `http://localhost:${port}/cdn-cgi/local/r2/s3/berth`;
}

/** wrangler.toml, with the bucket behind that endpoint too. @returns its path, for BERTH_CONFIG */
export function configWithS3(
  workspace: string,
  { accessKeyId, secretAccessKey }: { accessKeyId: string; secretAccessKey: string },
): string {
  const path = join(workspace, "s3.toml");
  const text = readFileSync(join(ROOT, "wrangler.toml"), "utf8")
    .replace('main = "src/', `main = "${ROOT}/src/`)
    .replace('migrations_dir = "', `migrations_dir = "${ROOT}/`)
    .replace(
      'bucket_name = "berth"',
      `$&\nlocal_dev = { experimental_s3_credentials = { accessKeyId = "${accessKeyId}", secretAccessKey = "${secretAccessKey}" } }`,
    );
  writeFileSync(path, text);
  return path;
}

/** wrangler.toml with more in it: an S3 endpoint for the bucket, which refuses what is signed wrongly, or databases. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { S3_KEYS } from "../../support/s3-keys.ts";
import { ROOT } from "./registry.ts";

/** Where a registry on this port has its bucket. By another name than clients use for it. */
export function s3EndpointAt(port: number): string {
  return `http://localhost:${port}/cdn-cgi/local/r2/s3/berth`;
}

/**
 * wrangler.toml, with other databases beside DB, or with the bucket behind that endpoint too, which S3_KEYS open.
 * @param databases their bindings
 * @returns its path, for BERTH_CONFIG
 */
export function configWith(folder: string, more: { databases?: string[]; s3?: boolean }): string {
  const path = join(folder, "more.toml");
  const { databases = [], s3 = false } = more;
  const text = elsewhere(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
  writeFileSync(path, (s3 ? withS3(text) : text) + databases.map(tableOf).join(""));
  return path;
}

/** With its paths as they are from another folder. */
function elsewhere(config: string): string {
  return config
    .replace('main = "src/', `main = "${ROOT}/src/`)
    .replace('migrations_dir = "', `migrations_dir = "${ROOT}/`);
}

function withS3(config: string): string {
  const { accessKeyId, secretAccessKey } = S3_KEYS;
  return config.replace(
    'bucket_name = "berth"',
    `$&\nlocal_dev = { experimental_s3_credentials = { accessKeyId = "${accessKeyId}", secretAccessKey = "${secretAccessKey}" } }`,
  );
}

function tableOf(binding: string): string {
  return (
    `\n[[d1_databases]]\nbinding = "${binding}"\ndatabase_name = "${binding.toLowerCase().replace("db_", "berth-")}"\n` +
    `migrations_dir = "${ROOT}/migrations"\n`
  );
}

/** wrangler.toml with more in it: an S3 endpoint for the bucket, which refuses what is signed wrongly, or databases. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./registry.ts";

/** Where a registry on this port has its bucket. By another name than clients use for it. */
export function s3EndpointAt(port: number): string {
  return `http://localhost:${port}/cdn-cgi/local/r2/s3/berth`;
}

/** wrangler.toml, with other databases beside DB. @returns its path, for BERTH_CONFIG */
export function configWithDatabases(workspace: string, bindings: string[]): string {
  const path = join(workspace, "databases.toml");
  const tables = bindings.map(
    (binding) =>
      `\n[[d1_databases]]\nbinding = "${binding}"\ndatabase_name = "${binding.toLowerCase().replace("db_", "berth-")}"\n` +
      `migrations_dir = "${ROOT}/migrations"\n`,
  );
  writeFileSync(path, elsewhere(readFileSync(join(ROOT, "wrangler.toml"), "utf8")) + tables.join(""));
  return path;
}

/** With its paths as they are from another folder. */
function elsewhere(config: string): string {
  return config
    .replace('main = "src/', `main = "${ROOT}/src/`)
    .replace('migrations_dir = "', `migrations_dir = "${ROOT}/`);
}

/** wrangler.toml, with the bucket behind that endpoint too. @returns its path, for BERTH_CONFIG */
export function configWithS3(
  workspace: string,
  { accessKeyId, secretAccessKey }: { accessKeyId: string; secretAccessKey: string },
): string {
  const path = join(workspace, "s3.toml");
  const text = elsewhere(readFileSync(join(ROOT, "wrangler.toml"), "utf8")).replace(
    'bucket_name = "berth"',
    `$&\nlocal_dev = { experimental_s3_credentials = { accessKeyId = "${accessKeyId}", secretAccessKey = "${secretAccessKey}" } }`,
  );
  writeFileSync(path, text);
  return path;
}

/** Distribution's own registry (`registry:2`), as Debian packages it. */

import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./ports.ts";
import { Service } from "./service.ts";

export interface Distribution {
  host: string;
  service: Service;
}

/** @param folder for its settings. @param storage where it keeps its bytes; below the folder when not told */
export async function startDistribution(folder: string, storage?: string): Promise<Distribution> {
  const host = `127.0.0.1:${await freePort()}`;
  const own = mkdtempSync(join(folder, "distribution-"));
  const root = storage ?? join(own, "storage");
  mkdirSync(root, { recursive: true });
  const config = join(own, "config.yml");
  writeFileSync(
    config,
    `version: 0.1
log: { level: warn }
storage: { filesystem: { rootdirectory: ${root} }, delete: { enabled: true } }
http: { addr: "${host}", secret: test }
`,
  );
  const service = new Service("docker-registry", ["serve", config], `${config}.log`);
  await service.ready(async () => (await fetch(`http://${host}/v2/`)).ok);
  return { host, service };
}

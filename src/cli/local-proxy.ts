/** What `npm start` keeps on local disk, opened without the registry. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder } from "./temporary-folder.ts";
import { CONFIG, STATE } from "./wrangler.ts";

export interface Opened<Bindings> {
  env: Bindings;
  dispose(): Promise<void>;
}

/** Opens the users and the databases, in a folder that is there. A registry that runs meanwhile has the same files open. */
export async function openProxy<Bindings>(): Promise<Opened<Bindings>> {
  // It is large, and most programs end without it.
  const { getPlatformProxy, unstable_readConfig: readConfig } = await import("wrangler");
  const { name, compatibility_date, kv_namespaces, d1_databases } = readConfig({ config: CONFIG });
  // Whole, it would have wrangler look for the Durable Object, and complain.
  using folder = await makeTemporaryFolder("berth-config-");
  const configPath = join(folder.path, "wrangler.json");
  await writeFile(configPath, JSON.stringify({ name, compatibility_date, kv_namespaces, d1_databases }));
  const proxy = await getPlatformProxy<Bindings & Record<string, unknown>>({
    configPath,
    // Below the folder that wrangler is told, where it keeps what is local.
    persist: { path: `${STATE}/v3` },
    remoteBindings: false,
  });
  return { env: proxy.env, dispose: () => proxy.dispose() };
}

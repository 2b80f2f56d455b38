/** Where a registry in Node's tests has its bytes: by the names that STORE has for them, and `--store` for the soak. */

import { join } from "node:path";
import { type OuterStore, outerAzure, outerDisk, outerServer } from "../../support/outer-stores.ts";
import { S3_KEYS } from "../../support/s3-keys.ts";
import { s3EndpointAt } from "./configs.ts";

export interface RegistryStore {
  /** Settings of the registry, secrets too. */
  variables: Record<string, string>;
  /** Whether its configuration has to have the bucket's S3 endpoint: see configs.ts. */
  needsS3: boolean;
  /** What is not in the registry's own state; null where all is. */
  outer: OuterStore | null;
}

/** The registry that has its bytes there. */
interface At {
  /** It serves wrangler's S3 endpoint as well. */
  port: number;
  /** A folder. */
  state: string;
}

const OPENED: Record<string, (at: At) => Promise<RegistryStore>> = {
  disk: async ({ state }) => outside(outerDisk(join(state, "objects"))),
  r2: async () => ({ variables: { STORE: "r2" }, needsS3: false, outer: null }),
  s3: async ({ port }) => behindEndpoint("s3", port),
  gcs: async ({ port }) => behindEndpoint("gcs", port),
  azure: async () => outside(await outerAzure()),
  server: async () => outside(await outerServer()),
};

/** @throws Error for another name, or when it does not start */
export async function openStore(name: string, at: At): Promise<RegistryStore> {
  const open = Object.hasOwn(OPENED, name) ? OPENED[name] : undefined;
  if (open === undefined)
    throw new Error(`the store is ${name}, but must be ${Object.keys(OPENED).join(" or ")}`);
  return open(at);
}

/** The same bucket, by its S3 endpoint at that port. */
export function behindEndpoint(kind: "s3" | "gcs", port: number): RegistryStore {
  const variables = {
    STORE: kind,
    STORE_URL: s3EndpointAt(port),
    STORE_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
    STORE_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
  };
  return { variables, needsS3: true, outer: null };
}

function outside(outer: OuterStore): RegistryStore {
  return { variables: outer.variables, needsS3: false, outer };
}

/** As `npm start -- --var` wants them. */
export function asVars(variables: Record<string, string>): string[] {
  return Object.entries(variables).map(([name, value]) => `${name}:${value}`);
}

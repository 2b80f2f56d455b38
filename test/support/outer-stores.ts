/** Stores that live on when the registry has stopped, as programs in Node see them. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { startAzurite } from "./azurite.ts";
import { AZURITE } from "./azurite-account.ts";
import { S3_KEYS } from "./s3-keys.ts";

/** What is asked of a store here. */
interface Listed {
  list(
    prefix: string,
    from: string | null,
    limit: number,
  ): Promise<{ objects: { key: string }[]; next: string | null }>;
}

/** The Worker's own code, which is checked with other types than programs for Node are. */
// biome-ignore lint/suspicious/noExplicitAny: its types are not known here
function load(file: string): Promise<any> {
  return import(`../../src/storage/objects/${file}`);
}

export interface OuterStore {
  /** Settings of the registry, secrets too. */
  variables: Record<string, string>;
  objects: Listed;
  stop(): void;
}

/** A new container of an azurite of its own. @throws Error */
export async function outerAzure(): Promise<OuterStore> {
  const home = process.env.AZURITE_HOME;
  if (!home) throw new Error("azure needs AZURITE_HOME, where azurite is installed");
  const azurite = await startAzurite(home);
  const url = `${azurite.url}/berth`;
  const key = Buffer.from(AZURITE.key, "base64");
  const { AzureContainer } = await load("azure/container.ts");
  const container = new AzureContainer(url, { account: AZURITE.account, key });
  await container.call("PUT", null, { query: { restype: "container" } });
  return open("azure", url, AZURITE.account, AZURITE.key, azurite.stop);
}

/** A new bucket of the real server of S3 at S3_SERVER. @throws Error */
export async function outerServer(): Promise<OuterStore> {
  const server = process.env.S3_SERVER;
  if (!server) throw new Error("server needs S3_SERVER, the address of a server of S3");
  const url = `${server}/b${crypto.randomUUID()}`;
  const { S3Bucket } = await load("s3/bucket.ts");
  await new S3Bucket({ url, region: null, ...S3_KEYS }).call("PUT", null);
  return open("s3", url, S3_KEYS.accessKeyId, S3_KEYS.secretAccessKey, () => {});
}

/** What `npm start` keeps in a folder, and parts there that no object consists of. @param folder its objects */
export function outerDisk(folder: string): OuterStore {
  const list = async () => ({ objects: (await keysOnDisk(folder)).map((key) => ({ key })), next: null });
  return { variables: { STORE: "disk" }, objects: { list }, stop: () => {} };
}

async function keysOnDisk(folder: string): Promise<string[]> {
  const { keysOf, partsPathOf } = await load("disk/paths.ts");
  const list = (path: string): Promise<string[]> => readdir(join(folder, path)).catch(() => []);
  const keys: string[] = [];
  const named = new Set<string>();
  for await (const key of keysOf(list, { prefix: "", after: null })) {
    keys.push(key);
    const composed = await readFile(join(folder, partsPathOf(key)), "utf8").catch(() => null);
    if (composed !== null) named.add(JSON.parse(composed).folder);
  }
  const parts = (await list("parts")).map((name) => `parts/${name}`);
  return [...keys, ...parts.filter((path) => !named.has(path))];
}

async function open(
  kind: string,
  url: string,
  id: string,
  secret: string,
  stop: () => void,
): Promise<OuterStore> {
  const { openObjects } = await load("open.ts");
  const variables = {
    STORE: kind,
    STORE_URL: url,
    STORE_ACCESS_KEY_ID: id,
    STORE_SECRET_ACCESS_KEY: secret,
  };
  const nothing = { BUCKET: null, R2_S3_ENDPOINT: "", STORE_REGION: "" };
  const none = { STORE_FALLBACK: "", STORE_FALLBACK_URL: "", STORE_FALLBACK_REGION: "" };
  return { variables, objects: openObjects({ ...nothing, ...none, ...variables }), stop };
}

/** The keys of all objects. */
export async function keysOf(objects: Listed): Promise<string[]> {
  const keys: string[] = [];
  for (let from: string | null = null; ; ) {
    const page: Awaited<ReturnType<Listed["list"]>> = await objects.list("", from, 1000);
    keys.push(...page.objects.map(({ key }) => key));
    if (page.next === null) return keys;
    from = page.next;
  }
}

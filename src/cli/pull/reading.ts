/** What is read of a registry, in the specification's verbs: manifests, tags, referrers, and what repositories there are. */

import { algorithmOf, type Digest, digestOf, isDigest } from "../../oci/digest.ts";
import { RegistryError } from "../../oci/errors.ts";
import { MAX_MANIFEST_SIZE } from "../../oci/manifest.ts";
import { essence, MANIFEST_MEDIA_TYPES } from "../../oci/media-types.ts";
import { isTag, type Reference, type Tag } from "../../oci/reference.ts";
import { Failure } from "../failure.ts";
import type { Answer } from "../http/exchange.ts";
import type { Registry } from "../push/registry.ts";
import { type PulledManifest, readManifest } from "./manifest.ts";

const ACCEPT = { Accept: MANIFEST_MEDIA_TYPES.join(", ") };

/** How many names are asked for at a time. */
const PAGE = 1000;

export interface ManifestHead {
  /** Null where the registry does not say it. */
  digest: Digest | null;
  mediaType: string | null;
}

/** end-3. @returns null when there is none */
export async function headManifest(registry: Registry, reference: Reference): Promise<ManifestHead | null> {
  const answer = await registry.patiently("HEAD", `manifests/${reference}`, ACCEPT);
  if (answer.status === 404) return null;
  if (answer.status !== 200) throw registry.refusal(answer, `look for ${registry.name}:${reference}`);
  return { digest: digestSaid(answer), mediaType: essence(answer.headers["content-type"]) };
}

/**
 * end-3.
 * @returns null when there is none
 * @throws Failure when it is not what its digest says, or no manifest
 */
export async function getManifest(registry: Registry, reference: Reference): Promise<PulledManifest | null> {
  const answer = await registry.patiently("GET", `manifests/${reference}`, ACCEPT);
  if (answer.status === 404) return null;
  const what = `${registry.name}:${reference}`;
  if (answer.status !== 200) throw registry.refusal(answer, `give ${what}`);
  const { body } = answer;
  if (body.length > MAX_MANIFEST_SIZE) throw new Failure(`${what} has a manifest of more than 4 MiB.`);
  const wanted = isDigest(reference) ? reference : digestSaid(answer);
  const digest = digestOf(body, wanted === null ? "sha256" : algorithmOf(wanted));
  if (wanted !== null && digest !== wanted) {
    throw new Failure(
      `${registry.origin.host} gave something else than ${wanted} as the manifest of ${what}.`,
    );
  }
  try {
    return readManifest(digest, body, essence(answer.headers["content-type"]));
  } catch (error) {
    if (error instanceof RegistryError) throw new Failure(`${what}: ${error.message}.`);
    throw error;
  }
}

/** end-8, page by page. Nothing for a repository that is not there. */
export async function* listTags(registry: Registry): AsyncGenerator<Tag> {
  const url = new URL(`/v2/${registry.name}/tags/list?n=${PAGE}`, registry.origin);
  const first = await registry.patiently("GET", url, {});
  if (first.status === 404) return;
  for await (const page of pagesAfter(registry, url, first, `list the tags of ${registry.name}`)) {
    const { tags } = page as { tags?: unknown };
    if (Array.isArray(tags)) yield* tags.filter((tag) => typeof tag === "string" && isTag(tag));
  }
}

/**
 * end-12, page by page.
 * @returns null where the registry does not have that list; then referrers stand under tags like sha256-…
 */
export async function listReferrers(registry: Registry, digest: Digest): Promise<Digest[] | null> {
  const what = `list what refers to ${digest}`;
  const url = new URL(`/v2/${registry.name}/referrers/${digest}`, registry.origin);
  const first = await registry.patiently("GET", url, {});
  // Who does not know the path says so in one of these ways.
  if ([400, 404, 405, 501].includes(first.status)) return null;
  const found: Digest[] = [];
  for await (const page of pagesAfter(registry, url, first, what)) {
    const { manifests } = page as { manifests?: unknown };
    if (!Array.isArray(manifests)) continue;
    for (const descriptor of manifests) if (isDigest(descriptor?.digest)) found.push(descriptor.digest);
  }
  return found;
}

/**
 * Docker's own: the names of all repositories, page by page.
 * @param registry of any repository
 * @returns null where the registry does not tell them to this user
 */
export async function openCatalog(registry: Registry): Promise<AsyncGenerator<string> | null> {
  const url = new URL(`/v2/_catalog?n=${PAGE}`, registry.origin);
  const first = await registry.patiently("GET", url, {});
  if ([401, 403, 404, 405].includes(first.status)) return null;
  if (first.status !== 200) throw registry.refusal(first, "list its repositories");
  return names(registry, url, first);
}

async function* names(registry: Registry, url: URL, first: Answer): AsyncGenerator<string> {
  for await (const page of pagesAfter(registry, url, first, "list its repositories")) {
    const { repositories } = page as { repositories?: unknown };
    if (Array.isArray(repositories)) yield* repositories.filter((name) => typeof name === "string");
  }
}

async function* pagesAfter(
  registry: Registry,
  from: URL,
  first: Answer,
  what: string,
): AsyncGenerator<unknown> {
  for (let [url, answer]: [URL, Answer] = [from, first]; ; ) {
    if (answer.status !== 200) throw registry.refusal(answer, what);
    yield parse(registry, answer, what);
    const next = nextOf(answer, url);
    // A registry that says again where it is would keep this going for ever.
    if (next === null || next.href === url.href || next.origin !== registry.origin.origin) return;
    url = next;
    answer = await registry.patiently("GET", url, {});
  }
}

function parse(registry: Registry, { body }: Answer, what: string): unknown {
  try {
    const json: unknown = JSON.parse(body.toString());
    if (typeof json === "object" && json !== null) return json;
  } catch {}
  throw new Failure(`${registry.origin.host} cannot ${what}: its answer is not JSON.`);
}

/** RFC 8288: where the next page is; null on the last one. */
function nextOf({ headers }: Answer, url: URL): URL | null {
  const [, target] = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(String(headers.link ?? "")) ?? [];
  return target !== undefined && URL.canParse(target, url.href) ? new URL(target, url) : null;
}

function digestSaid({ headers }: Answer): Digest | null {
  const said = headers["docker-content-digest"];
  return isDigest(said) ? said : null;
}

/** Scrubs, as an administrator asks for them, and damage for them to find. */

import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { Digest } from "../../src/oci/digest.ts";
import { parseCursor } from "../../src/storage/scrub/cursor.ts";
import type { ScrubPage } from "../../src/storage/scrub/findings.ts";
import { type Limits, scrubPage as scrubOne } from "../../src/storage/scrub/scrub.ts";
import { mainStores } from "../../src/storage/stores.ts";
import { bucket } from "../support/bucket.ts";
import { imageOf, pushImage } from "../support/images.ts";
import { instrument } from "../support/instrument.ts";
import { pullBlob, putManifest, request, sha256, textOf } from "../support/registry.ts";
import { withVariables } from "../support/settings.ts";
import { expectSound, objectKeys } from "./support.ts";

export type Found = Omit<ScrubPage, "next" | "phase">;

/** One page. @throws unless it is answered with 200 */
export async function scrubPage(query: Record<string, string> = {}): Promise<ScrubPage> {
  const response = await request("POST", `/v2/_berth/scrub?${new URLSearchParams(query)}`);
  if (response.status !== 200)
    throw new Error(`scrub answered ${response.status}: ${await textOf(response)}`);
  return response.json();
}

/** All pages. @returns what they found together */
export async function scrub(query: Record<string, string> = {}): Promise<Found> {
  return (await scrubAll((after) => scrubPage({ ...query, ...(after === null ? {} : { after }) }))).found;
}

/** @returns what all pages found together, and the pages */
export async function scrubAll(
  page: (after: string | null) => Promise<ScrubPage>,
): Promise<{ found: Found; pages: ScrubPage[] }> {
  const pages: ScrubPage[] = [];
  for (let after: string | null = null; ; ) {
    const one = await page(after);
    pages.push(one);
    expect(one.next).not.toBe(after);
    if (one.next === null) break;
    after = one.next;
  }
  const found: Found = { checked: 0, bytes: 0, healed: [], quarantined: [], missing: [], damaged: [] };
  for (const one of pages) {
    found.checked += one.checked;
    found.bytes += one.bytes;
    for (const kind of ["healed", "quarantined", "missing", "damaged"] as const)
      found[kind].push(...(one[kind] as never[]));
  }
  return { found, pages };
}

/** Expects that a scrub finds nothing. */
export async function expectWell(query: Record<string, string> = {}): Promise<void> {
  const { healed, quarantined, missing, damaged } = await scrub(query);
  expect({ healed, quarantined, missing, damaged }).toEqual(NOTHING);
}

export const NOTHING = { healed: [], quarantined: [], missing: [], damaged: [] };

export async function keyOfBlob(digest: Digest): Promise<string> {
  const key = await env.DB.prepare("SELECT object_key FROM blobs WHERE digest = ?1")
    .bind(digest)
    .first("object_key");
  return key as string;
}

export async function keyOfManifest(digest: Digest): Promise<string> {
  const key = await env.DB.prepare("SELECT object_key FROM manifests WHERE digest = ?1")
    .bind(digest)
    .first("object_key");
  return key as string;
}

export async function quarantinedKeys(): Promise<string[]> {
  const { results } = await env.DB.prepare("SELECT object_key FROM quarantined_objects").all<{
    object_key: string;
  }>();
  return results.map(({ object_key }) => object_key);
}

export const LAYERS = ["one", "two", "three", "four"];
export const IMAGE = imageOf("config", LAYERS);
export const MEDIA_TYPE = IMAGE.mediaType;
export const LARGE = JSON.stringify({ ...imageOf("config", []), padding: "x".repeat(1_100_000) });

/** One page under other limits than its own. */
export function limited(after: string | null, limits: Partial<Limits>): Promise<ScrubPage> {
  return scrubOne(
    mainStores(instrument(withVariables(env))),
    after === null ? null : parseCursor(after),
    { rebuild: true, sparse: false, freeBefore: 0 },
    { items: 1000, lists: 1000, bytes: Number.MAX_SAFE_INTEGER, duration: 60_000, ...limits },
  );
}

/** An image with one of each damage, beside one that is whole. What heals it lies under keys that no row names. */
export async function damage(): Promise<void> {
  await pushImage("a", "latest", "config", LAYERS);
  await putManifest("a", "large", LARGE, { "Content-Type": MEDIA_TYPE });
  await pushImage("b", "whole", "config", ["whole"]);
  await bucket.put(await keyOfBlob(sha256("one")), "0ne");
  await bucket.delete(await keyOfBlob(sha256("two")));
  await bucket.delete(await keyOfManifest(sha256(LARGE)));
  await env.DB.prepare("UPDATE blobs SET size = 9 WHERE digest = ?1").bind(sha256("three")).run();
  await env.DB.prepare("UPDATE blobs SET missing_at = 1 WHERE digest = ?1").bind(sha256("four")).run();
  for (const content of ["one", "two"]) await bucket.put(`blobs/orphan-${content}`, content);
  await bucket.put("manifests/orphan", LARGE);
}

export async function expectWhole(): Promise<void> {
  expect(await textOf(await request("GET", "/v2/a/manifests/latest"))).toBe(JSON.stringify(IMAGE));
  expect(await textOf(await request("GET", "/v2/a/manifests/large"))).toBe(LARGE);
  for (const content of ["config", ...LAYERS])
    expect([content, await pullBlob("a", sha256(content))]).toEqual([content, content]);
  expect(await pullBlob("b", sha256("whole"))).toBe("whole");
  await expectWell({ rebuild: "true" });
  await expectSound();
}

/** Back to nothing. */
export async function empty(): Promise<void> {
  for (const table of [
    ...[
      "tags",
      "index_manifests",
      "manifest_blobs",
      "manifests",
      "repository_blobs",
      "blobs",
      "repositories",
    ],
    ...["pending_objects", "quarantined_objects", "doomed_objects"],
  ])
    await env.DB.prepare(`DELETE FROM ${table}`).run();
  await bucket.delete(await objectKeys());
}

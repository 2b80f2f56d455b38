import { expect } from "vitest";
import { imageOf, indexOf, pushImage } from "../support/images.ts";
import { putManifest, request, sha256, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";

/** `team` is in DB_2, which the tests call DB, and goes to the third. */
export const BEFORE = "team=DB_2";
export const MOVING = "team=DB_2>DB_3";
export const AFTER = "team=DB_3";

export interface Page {
  next: string | null;
  moved: number;
  left: string[];
  damaged: { digest: string; missing: string[] }[];
}

/** A pass through all pages. */
export async function pass(): Promise<Omit<Page, "next">> {
  const all = { moved: 0, left: [] as string[], damaged: [] as Page["damaged"] };
  for (let next: string | null = ""; next !== null; ) {
    const query: string = next === "" ? "" : `?after=${encodeURIComponent(next)}`;
    const response = await request("POST", `/v2/_berth/move-repositories${query}`);
    expect(response.status).toBe(200);
    const page = (await response.json()) as Page;
    all.moved += page.moved;
    all.left.push(...page.left);
    all.damaged.push(...page.damaged);
    expect(page.next).not.toBe(next);
    next = page.next;
  }
  return all;
}

export const place = (places: string) => setVariables({ DATABASES: places });

export const tags = async (name: string) =>
  ((await (await request("GET", `/v2/${name}/tags/list`)).json()) as { tags: string[] }).tags;

export const getBlob = (name: string, digest: string) => request("GET", `/v2/${name}/blobs/${digest}`);

export const count = (db: D1Database, table: string) =>
  db.prepare(`SELECT count(*) AS n FROM ${table}`).first("n");

/** Two repositories with an index, a referrer and a blob in both. */
export async function pushAll(): Promise<{ index: object; image: string }> {
  const image = await pushImage("team/app", "v1", "config", ["layer", "shared"], { annotations: { a: "b" } });
  const index = indexOf([imageOf("config", ["layer", "shared"], { annotations: { a: "b" } })]);
  expect((await putManifest("team/app", "multi", index)).status).toBe(201);
  const subject = { mediaType: imageOf("", []).mediaType, digest: image, size: 1 };
  await pushImage("team/app", null, "{}", ["sbom"], { subject });
  await pushImage("team/other", "latest", "other", ["shared"]);
  return { index, image };
}

export async function expectAll(image: string): Promise<void> {
  expect(await tags("team/app")).toEqual(["multi", "v1"]);
  expect(await tags("team/other")).toEqual(["latest"]);
  for (const reference of ["multi", "v1", image])
    expect((await request("GET", `/v2/team/app/manifests/${reference}`)).status).toBe(200);
  for (const layer of ["config", "layer", "shared", "sbom", "{}"])
    expect(await textOf(await getBlob("team/app", sha256(layer)))).toBe(layer);
  const { manifests } = (await (await request("GET", `/v2/team/app/referrers/${image}`)).json()) as {
    manifests: object[];
  };
  expect(manifests).toHaveLength(1);
}

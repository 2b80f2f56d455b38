/** What a folder of files has beside the contract: what lies there when a step stops half-way, and where. */

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { Folder } from "../../../src/storage/objects/disk/folder.ts";
import { pathOf } from "../../../src/storage/objects/disk/paths.ts";
import { newObjectKey } from "../../../src/storage/objects/keys.ts";
import type { Multipart, Objects, Part } from "../../../src/storage/objects/objects.ts";
import { Unavailable } from "../../../src/storage/retry.ts";
import { bytesOf } from "../../support/content.ts";
import { openWith, STORES } from "../../support/stores.ts";

const KEY = "blobs/parts";

let objects: Objects;
const folder = new Folder(env.DISK);

beforeEach(async () => {
  objects = openWith(await STORES.disk());
});

/** The files below a folder, as the disk itself has them. */
async function filesBelow(path: string): Promise<string[]> {
  const response = await env.DISK.fetch(`http://disk/${path}/`);
  const entries = response.ok ? await response.json<{ name: string; type: string }[]>() : [];
  const below = entries.map(({ name, type }) =>
    type === "directory" ? filesBelow(`${path}/${name}`) : [`${path}/${name}`],
  );
  return (await Promise.all(below)).flat();
}

async function upload(): Promise<{ multipart: Multipart; parts: Part[] }> {
  const multipart = await objects.beginMultipart(KEY);
  const parts: Part[] = [];
  for (const text of ["one", "two"])
    parts.push((await objects.putPart(multipart, parts.length + 1, bytesOf(text))) as Part);
  return { multipart, parts };
}

async function read(key: string): Promise<string | null> {
  const body = await objects.get(key, null);
  return body && new Response(body).text();
}

describe("the end of an upload that stopped behind its object", () => {
  /** The upload, as if its beginning had never been taken away. */
  async function halfEnded() {
    const { multipart, parts } = await upload();
    const [beginning = ""] = (await filesBelow("parts")).filter((path) => path.endsWith("/begun"));
    await objects.completeMultipart(multipart, parts);
    await folder.write(beginning, "");
    return { multipart, parts };
  }

  test("is said again, and is the same", async () => {
    const { multipart, parts } = await halfEnded();
    expect(await objects.completeMultipart(multipart, parts)).toBe(true);
    expect(await read(KEY)).toBe("onetwo");
    expect(await objects.putPart(multipart, 1, bytesOf("late"))).toBe(null);
  });

  test("keeps its object when it is aborted", async () => {
    const { multipart } = await halfEnded();
    await objects.abortMultipart(multipart);
    expect(await read(KEY)).toBe("onetwo");
    expect(await filesBelow("parts")).toHaveLength(2);
  });
});

test("an upload that is aborted leaves no file, also when an abort before stopped half-way", async () => {
  for (const stoppedBehind of [null, "begun", "1"]) {
    const { multipart } = await upload();
    for (const path of await filesBelow("parts"))
      if (path.endsWith(`/${stoppedBehind}`)) await folder.remove(path);
    await objects.abortMultipart(multipart);
    expect(await filesBelow("parts")).toEqual([]);
  }
});

test("an object of parts that is deleted leaves no file, also when the deletion stopped behind its parts", async () => {
  for (const stopped of [false, true]) {
    const { multipart, parts } = await upload();
    await objects.completeMultipart(multipart, parts);
    if (stopped) for (const name of await folder.list("parts")) await folder.remove(`parts/${name}`);
    await objects.delete([KEY]);
    expect(await filesBelow("parts")).toEqual([]);
    expect(await filesBelow("stored")).toEqual([]);
    expect(await objects.head(KEY)).toBe(null);
  }
});

test("a part that is another one than was sent is none of the object's", async () => {
  const { multipart, parts } = await upload();
  const [file = ""] = (await filesBelow("parts")).filter((path) => path.endsWith("/2"));
  await folder.write(file, "another");
  expect(await objects.completeMultipart(multipart, parts)).toBe(false);
  expect(await objects.head(KEY)).toBe(null);
});

describe("an object of parts, of which the second", () => {
  async function without(damage: (path: string) => Promise<unknown>) {
    const { multipart, parts } = await upload();
    await objects.completeMultipart(multipart, parts);
    const [file = ""] = (await filesBelow("parts")).filter((path) => path.endsWith("/2"));
    await damage(file);
  }

  test.each([
    ["has gone", (path: string) => folder.remove(path)],
    ["is empty", (path: string) => folder.write(path, "")],
    ["is too short", (path: string) => folder.write(path, "t")],
  ])("%s, breaks off there, and never ends as if it were whole", async (_, damage) => {
    await without(damage);
    await expect(read(KEY)).rejects.toThrow();
    expect(await objects.get(KEY, { offset: 3, length: 3 })).toBe(null);
    const before = await objects.get(KEY, { offset: 0, length: 3 });
    expect(await new Response(before).text()).toBe("one");
  });
});

test("a file that is shorter than its object has no bytes behind its end", async () => {
  await objects.put(KEY, "hello");
  expect(await objects.get(KEY, { offset: 3, length: 4 })).toBe(null);
  expect(await objects.get(KEY, { offset: 7, length: 4 })).toBe(null);
});

test("keys that differ in capitals alone lie apart, also where the file system takes them for the same", () => {
  const paths = ["blobs/a", "blobs/A", "Blobs/a", "blobs/Aa", "blobs/aA"].map(pathOf);
  expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(paths.length);
});

test("a folder is listed for one letter of many, and no other", async () => {
  const keys = Array.from({ length: 100 }, () => newObjectKey("blobs")).sort();
  for (const key of keys) await objects.put(key, key);
  const found: string[] = [];
  for (let from: string | null = null, more = true; more; ) {
    const { objects: listed, next } = await objects.list("blobs/", from, 7);
    found.push(...listed.map(({ key }) => key));
    from = next;
    more = next !== null;
  }
  expect(found).toEqual(keys);
  expect((await folder.list("stored/blobs")).length).toBeGreaterThan(10);
});

test("a disk that refuses is a store that is not available", async () => {
  await folder.write(`${pathOf("blobs/a")}/in-its-way`, "");
  await expect(objects.put("blobs/a", "hello")).rejects.toThrow(Unavailable);
});

/** What a policy keeps as it is: no push, retag or deletion changes it, and no race gets by. */

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { collect, expectSound, objectKeys } from "../gc/support.ts";
import { allHappened, breakAll, interleave } from "../support/faults.ts";
import { digestOfManifest, imageOf, indexOf, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { removePolicy, setPolicy } from "../support/policies.ts";
import { pushBlob, putManifest, request } from "../support/registry.ts";

const [ONE, TWO] = [imageOf("config", ["one"]), imageOf("config", ["two"])];
const [FIRST, SECOND] = [digestOfManifest(ONE), digestOfManifest(TWO)];
/** Too large for a row. */
const LARGE = imageOf("config", ["one"], { padding: "x".repeat(1_000_001) });

/** Of a repository that no policy here concerns, with the same manifest: nothing that is done beside it changes it. */
const BESIDE = ["latest", "v1", "v1-dev", "v2"];

beforeEach(async () => {
  for (const tag of BESIDE) await pushImage("beside", tag, "config", ["one"]);
  for (const content of ["config", "one", "two"]) await pushBlob("team/app", content);
});

afterEach(async () => {
  const { tags } = (await (await request("GET", "/v2/beside/tags/list")).json()) as { tags: string[] };
  expect(tags).toEqual(BESIDE);
});

function push(tag: string, manifest: object = ONE, query = ""): Promise<Response> {
  return putManifest("team/app", `${tag}${query}`, manifest);
}

function remove(reference: string): Promise<Response> {
  return request("DELETE", `/v2/team/app/manifests/${reference}`);
}

async function digestOf(reference: string): Promise<string | null> {
  const response = await request("HEAD", `/v2/team/app/manifests/${reference}`);
  return response.headers.get("Docker-Content-Digest");
}

async function refusalOf(response: Response): Promise<unknown> {
  const { errors } = (await response.json()) as { errors: unknown[] };
  return [response.status, errors];
}

function kept(tag: string, digest = FIRST, policy = "releases"): unknown {
  const message = expect.stringMatching(new RegExp(`the policy ${policy} keeps the tag ${tag} as it is: .+`));
  return [409, [{ code: "DENIED", message, detail: { tag, digest, policy } }]];
}

describe("an immutable tag", () => {
  beforeEach(() => setPolicy("releases", ["team/**"], ["*"], ["latest", "*-dev"]));

  test("is taken when it is new, and again for the same manifest", async () => {
    for (let round = 0; round < 2; round++) expect((await push("v1")).status).toBe(201);
    expect(await digestOf("v1")).toBe(FIRST);
  });

  test("does not move, and the refusal names tag, digest and policy", async () => {
    await push("v1");
    expect(await refusalOf(await push("v1", TWO))).toEqual(kept("v1"));
    expect(await digestOf("v1")).toBe(FIRST);
  });

  test("refuses the whole push that would move it beside others: neither manifest nor tag is left", async () => {
    await push("v1");
    expect(await refusalOf(await push("v2", TWO, "?tag=latest&tag=v1"))).toEqual(kept("v1"));
    for (const reference of ["v2", "latest", SECOND]) expect(await digestOf(reference)).toBe(null);
    const byDigest = await push(SECOND, TWO, "?tag=v1");
    expect(await refusalOf(byDigest)).toEqual(kept("v1"));
    expect(await digestOf(SECOND)).toBe(null);
  });

  test("leaves no object of a large manifest that it refuses", async () => {
    await push("v1");
    const before = await objectKeys();
    expect((await push("v1", LARGE)).status).toBe(409);
    expect(await objectKeys()).toEqual(before);
    await expectSound();
  });

  test("is not deleted", async () => {
    await push("v1");
    expect(await refusalOf(await remove("v1"))).toEqual(kept("v1"));
    expect(await digestOf("v1")).toBe(FIRST);
    expect((await remove("v2")).status).toBe(404);
  });

  test("keeps its manifest from being deleted, also with other tags beside it", async () => {
    await push("v1");
    await push("latest");
    expect(await refusalOf(await remove(FIRST))).toEqual(kept("v1"));
    expect(await digestOf(FIRST)).toBe(FIRST);
    expect((await remove(SECOND)).status).toBe(404);
  });

  test("keeps what its index names, and what an index in that names", async () => {
    const inner = indexOf([ONE]);
    await push(FIRST, ONE);
    await push(digestOfManifest(inner), inner);
    const outer = indexOf([inner]);
    expect((await push("v1", outer)).status).toBe(201);
    for (const digest of [FIRST, digestOfManifest(inner)])
      expect(await refusalOf(await remove(digest))).toEqual(kept("v1", digestOfManifest(outer)));
    expect(await digestOf(FIRST)).toBe(FIRST);
  });

  test("keeps nothing that is tagged otherwise, or elsewhere", async () => {
    for (const tag of ["latest", "v1-dev"]) {
      await push(tag);
      expect((await push(tag, TWO)).status).toBe(201);
      expect((await remove(tag)).status).toBe(202);
    }
    await pushImage("other", "v1", "config", ["one"]);
    await pushImage("other", "v1", "config", ["two"]);
    expect((await request("DELETE", `/v2/other/manifests/${FIRST}`)).status).toBe(202);
    await push("latest");
    expect((await remove(FIRST)).status).toBe(202);
  });

  test("is free again when the policy goes, or names it among its exceptions", async () => {
    await push("v1");
    await setPolicy("releases", ["team/**"], ["*"], ["v1"]);
    expect((await push("v1", TWO)).status).toBe(201);
    await setPolicy("releases", ["team/**"], ["*"]);
    expect((await push("v1")).status).toBe(409);
    await removePolicy("releases");
    expect((await push("v1")).status).toBe(201);
    expect((await remove("v1")).status).toBe(202);
  });

  test("names the same kind of manifest for ever: a push of the bytes as something else changes nothing", async () => {
    const untyped = imageOf("config", ["one"], { mediaType: undefined });
    const typeOf = async () =>
      (await request("HEAD", "/v2/team/app/manifests/v1")).headers.get("Content-Type");
    const oci = { "Content-Type": "application/vnd.oci.image.manifest.v1+json" };
    await putManifest("team/app", "v1", untyped, oci);
    const headers = { "Content-Type": "application/vnd.docker.distribution.manifest.v2+json" };
    for (const reference of [digestOfManifest(untyped), "v1"])
      expect((await putManifest("team/app", reference, untyped, headers)).status).toBe(201);
    expect(await typeOf()).toBe(oci["Content-Type"]);
  });

  test("outlives every collection", async () => {
    await push("v1");
    await env.DB.prepare("UPDATE manifests SET used_at = 1").run();
    await collect();
    expect(await digestOf("v1")).toBe(FIRST);
  });

  test("costs the push one more query, and only where a policy covers a tag", async () => {
    expect((await measure(() => push("latest"))).queries).toBe(2);
    expect((await measure(() => push("v1"))).queries).toBe(3);
  });
});

describe("a race", () => {
  beforeEach(() => setPolicy("releases", ["team/**"], ["*"]));

  test("of two pushes of the same new tag has one winner", async () => {
    // Between what the push looks up, and what it writes.
    interleave("DB.batch", async () => expect((await push("v1", TWO)).status).toBe(201), 1);
    expect(await refusalOf(await push("v1"))).toEqual(kept("v1", SECOND));
    expect(allHappened()).toBe(true);
    expect(await digestOf("v1")).toBe(SECOND);
    expect(await digestOf(FIRST)).toBe(null);
    const statuses = await Promise.all(
      [ONE, TWO, ONE, TWO].map(async (one) => (await push("v2", one)).status),
    );
    expect(statuses.filter((status) => status === 201)).toHaveLength(2);
    expect(statuses.filter((status) => status === 409)).toHaveLength(2);
  });

  test("of a push and a policy that comes ends as the policy says", async () => {
    await removePolicy("releases");
    await push("v1");
    interleave("DB.batch", () => setPolicy("late", ["team/app"], ["v1"]), 1);
    expect(await refusalOf(await push("v1", TWO))).toEqual(kept("v1", FIRST, "late"));
    expect(await digestOf("v1")).toBe(FIRST);
  });

  test("of a deletion and a policy that comes ends as the policy says", async () => {
    await removePolicy("releases");
    await push("v1");
    interleave("DB.batch", () => setPolicy("late", ["team/app"], ["v1"]));
    expect(await refusalOf(await remove("v1"))).toEqual(kept("v1", FIRST, "late"));
    await removePolicy("late");
    interleave("DB.batch", () => setPolicy("late", ["team/app"], ["v1"]));
    expect(await refusalOf(await remove(FIRST))).toEqual(kept("v1", FIRST, "late"));
    expect(await digestOf("v1")).toBe(FIRST);
  });

  test("of a deletion by digest and a tag that comes ends with the tag", async () => {
    await push(FIRST);
    interleave("DB.batch", () => push("v1"));
    expect(await refusalOf(await remove(FIRST))).toEqual(kept("v1"));
    expect(await digestOf("v1")).toBe(FIRST);
  });

  test("of a deletion by digest and an index that comes ends with the index", async () => {
    await push(FIRST);
    const index = indexOf([ONE]);
    interleave("DB.batch", () => push("v1", index));
    expect(await refusalOf(await remove(FIRST))).toEqual(kept("v1", digestOfManifest(index)));
    expect(await digestOf(FIRST)).toBe(FIRST);
  });
});

test.each(["before", "after"] as const)(
  "a push to an immutable tag that fails %s its write is repeated as any other",
  async (when) => {
    await setPolicy("releases", ["**"], ["*"]);
    interleave("DB.batch", async () => breakAll("DB.batch", when));
    expect((await push("v1")).status).toBe(503);
    expect((await push("v1")).status).toBe(201);
    expect((await push("v1", TWO)).status).toBe(409);
    expect(await digestOf("v1")).toBe(FIRST);
  },
);

test("more tags than are looked at keep a manifest where a policy may keep one of them", async () => {
  await pushImage("team/app", "a", "config", ["one"]);
  const names = Array.from({ length: 10_000 }, (_, index) => `b${index}`);
  await env.DB.prepare(
    `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
     SELECT repository_id, value, manifests.id, 1 FROM manifests JOIN json_each(?1)
     WHERE repository_id = (SELECT id FROM repositories WHERE name = 'team/app')`,
  )
    .bind(JSON.stringify(names))
    .run();
  await setPolicy("releases", ["team/**"], ["v*"]);
  const [status, errors] = (await refusalOf(await remove(FIRST))) as [number, { code: string }[]];
  expect([status, errors[0]?.code]).toEqual([409, "DENIED"]);
  await remove("b0");
  expect((await remove(FIRST)).status).toBe(202);
});

test("who pushes by a rule of another version than this one is told, and nothing moves", async () => {
  await push("v1");
  await env.DB.prepare(
    "INSERT INTO policies (name, rule, updated_at) VALUES ('new', '{\"kind\":\"x\"}', 1)",
  ).run();
  expect((await push("v1", TWO)).status).toBe(500);
  expect(await digestOf("v1")).toBe(FIRST);
});

/** Collection beside pushes: forced between any two steps of either. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { bucket } from "../support/bucket.ts";
import { setDaysAhead } from "../support/clock.ts";
import { allHappened, breakAll, healAll, interleave } from "../support/faults.ts";
import { imageOf, indexOf, pushImage } from "../support/images.ts";
import {
  close,
  patch,
  pullBlob,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
} from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { age, collect, collected, expectSound, objectKeys, sweep } from "./support.ts";

afterEach(async () => {
  setDaysAhead(0);
  await expectSound();
});

/** What a run over all that {@link fillWithGarbage} leaves makes of each call, at the least. */
const CALLS_OF_A_RUN = { "DB.query": 14, "DB.batch": 2, "BUCKET.delete": 1, "BUCKET.list": 1 };
const CALLS = Object.keys(CALLS_OF_A_RUN) as (keyof typeof CALLS_OF_A_RUN)[];

describe("invariant 5: a push that found what it needs, then collection, then its manifest", () => {
  const image = imageOf("config", ["layer"]);

  async function uploaded(): Promise<void> {
    for (const content of ["config", "layer"]) await pushBlob("a", content);
  }
  async function found(): Promise<void> {
    await uploaded();
    await age(0.9);
    for (const content of ["config", "layer"]) {
      expect((await request("HEAD", `/v2/a/blobs/${sha256(content)}`)).status).toBe(200);
    }
    await age(0.5);
  }
  async function mounted(): Promise<void> {
    for (const content of ["config", "layer"]) await pushBlob("source", content);
    await age(2);
    for (const content of ["config", "layer"]) {
      const query = `?mount=${sha256(content)}&from=source`;
      expect((await request("POST", `/v2/a/blobs/uploads/${query}`)).status).toBe(201);
    }
  }

  for (const prepare of [uploaded, found, mounted]) {
    test(`${prepare.name}: the manifest is accepted and pulls whole`, async () => {
      await prepare();
      await collect();
      expect((await putManifest("a", "latest", image)).status).toBe(201);
      await age(2);
      await collect();
      expect(await pullBlob("a", sha256("layer"))).toBe("layer");
      expect(await pullBlob("a", sha256("config"))).toBe("config");
    });
  }
});

describe("collection in the middle of a manifest push, and the other way round", () => {
  /** Everything is past its grace period: the push was too slow. It must be refused or accepted, never half of it. */
  async function expectWhole(response: Response): Promise<void> {
    const pulled = await Promise.all(["config", "layer"].map((content) => pullBlob("a", sha256(content))));
    if (response.status === 201) expect(pulled).toEqual(["config", "layer"]);
    else expect(response.status).toBe(400);
  }

  /** A push's calls: it looks at what it names, and writes; what is too large for a row becomes an object between. */
  const STEPS: [call: string, first: number, padding: string][] = [
    ["DB.batch", 0, ""],
    ["DB.batch", 1, ""],
    ["BUCKET.put", 0, "x".repeat(1_000_001)],
    ["DB.batch", 1, "x".repeat(1_000_001)],
  ];
  test.each(STEPS)("a whole run before the push's %s, after %i others", async (call, first, padding) => {
    for (const content of ["config", "layer"]) await pushBlob("a", content);
    await age(2);
    interleave(call, () => collect(), first);
    const response = await putManifest("a", "latest", imageOf("config", ["layer"], { padding }));
    // The run was in the middle of it, and not in what is asked next.
    expect(allHappened()).toBe(true);
    expect(response.status).toBe(400);
    await expectWhole(response);
  });

  for (const call of CALLS) {
    test(`a push before each ${call} of a run`, async () => {
      let forced = 0;
      for (; ; forced++) {
        await fillWithGarbage();
        for (const content of ["config", "layer"]) await pushBlob("a", content);
        await age(2);
        let response: Response | undefined;
        const push = async () => {
          response = await putManifest("a", "latest", imageOf("config", ["layer"]));
        };
        interleave(call, push, forced);
        await collect();
        if (response === undefined) break;
        await expectWhole(response);
        await expectSound();
        await empty();
      }
      healAll();
      expect(forced).toBeGreaterThanOrEqual(CALLS_OF_A_RUN[call]);
    });
  }

  test("an index that is pushed while its old child is collected is refused or whole", async () => {
    setVariables({ UNTAGGED_MANIFESTS: "1d" });
    const digest = await pushImage("a", null, "config", []);
    await age(2);
    interleave("DB.batch", async () => interleave("DB.batch", () => collect()));
    const response = await putManifest("a", "latest", indexOf([imageOf("config", [])]));
    const child = await request("GET", `/v2/a/manifests/${digest}`);
    expect([response.status, child.status]).toEqual([400, 404]);
  });
});

describe("uploads around a collection", () => {
  test("two pushes of one digest, collection between their commits", async () => {
    const [first, second] = [await startUpload("a"), await startUpload("b")];
    for (const location of [first, second]) await patch(location, "layer");
    expect((await close(first, sha256("layer"))).status).toBe(201);
    await age(2);
    interleave("DB.batch", () => collect());
    expect((await close(second, sha256("layer"))).status).toBe(201);
    expect(await pullBlob("b", sha256("layer"))).toBe("layer");
    await collect();
    expect(await pullBlob("b", sha256("layer"))).toBe("layer");
  });

  test("a commit whose answer was lost, its blob deleted and collected, and then the PUT repeated", async () => {
    const location = await startUpload("a");
    await patch(location, "layer");
    breakAll("DB.batch", "after");
    expect((await close(location, sha256("layer"))).status).toBe(503);
    healAll();
    await request("DELETE", `/v2/a/blobs/${sha256("layer")}`);
    await age(2);
    await collect();
    expect((await close(location, sha256("layer"))).status).toBe(404);
    expect(await pullBlob("a", sha256("layer"))).toBe("status 404");
  });

  test("the same while the object is doomed but not yet deleted: never a row without an object", async () => {
    const location = await startUpload("a");
    await patch(location, "layer");
    breakAll("DB.batch", "after");
    await close(location, sha256("layer"));
    healAll();
    await request("DELETE", `/v2/a/blobs/${sha256("layer")}`);
    await age(2);
    await collected();
    expect((await close(location, sha256("layer"))).status).toBe(404);
    await sweep();
    expect((await close(location, sha256("layer"))).status).toBe(404);
  });

  test("a run between the look at a doomed object and its commit: never a row without an object", async () => {
    const location = await startUpload("a");
    await patch(location, "layer");
    breakAll("DB.batch", "after");
    await close(location, sha256("layer"));
    healAll();
    await request("DELETE", `/v2/a/blobs/${sha256("layer")}`);
    await age(2);
    await collect();
    interleave("DB.batch", () => sweep());
    expect((await close(location, sha256("layer"))).status).toBe(404);
    expect((await request("HEAD", `/v2/a/blobs/${sha256("layer")}`)).status).toBe(404);
  });

  test("the last tag of a repository deleted during a push to it", async () => {
    const old = await pushImage("a", "latest", "config", ["layer"]);
    await age(2);
    const location = await startUpload("a");
    await patch(location, "new layer");
    await request("DELETE", `/v2/a/manifests/${old}`);
    await collect();
    expect((await close(location, sha256("new layer"))).status).toBe(201);
    await pushBlob("a", "config");
    expect((await putManifest("a", "latest", imageOf("config", ["new layer"]))).status).toBe(201);
    await collect();
    expect(await pullBlob("a", sha256("new layer"))).toBe("new layer");
  });
});

describe("an object that looks like the rest of a crash", () => {
  test("is committed before each DB.query of the run that finds it: it is a blob, or it is refused", async () => {
    const kept = await pushImage("kept", "latest", "config", ["layer"]);
    let forced = 0;
    let found = 0;
    for (; ; forced++) {
      setDaysAhead(0);
      const content = `late ${forced}`;
      const location = await startUpload("a");
      await patch(location, content);
      breakAll("DB.batch", "before");
      expect((await close(location, sha256(content))).status).toBe(503);
      healAll();
      // The object is old, and no row names it.
      setDaysAhead(3);
      let response: Response | undefined;
      interleave(
        "DB.query",
        async () => {
          response = await close(location, sha256(content));
        },
        forced,
      );
      const { taken } = await collect();
      if (response === undefined) break;
      found += taken.orphans.count;
      setDaysAhead(0);
      // All that is doomed goes.
      await sweep();
      const expected = response.status === 201 ? content : "status 404";
      expect(await pullBlob("a", sha256(content))).toBe(expected);
      await expectSound();
    }
    healAll();
    expect(forced).toBeGreaterThanOrEqual(CALLS_OF_A_RUN["DB.query"] - 2);
    // Some commits came too late, and some in time.
    expect(found).toBeGreaterThan(0);
    expect(found).toBeLessThan(forced);
    expect((await request("GET", `/v2/kept/manifests/${kept}`)).status).toBe(200);
  });
});

describe("failures", { timeout: 240_000 }, () => {
  for (const call of CALLS) {
    for (const when of ["before", "after"] as const) {
      test(`each ${call} of a run fails ${when} it was made: the next run finishes the job`, async () => {
        let forced = 0;
        for (; ; forced++) {
          await fillWithGarbage();
          await pushImage("a", "keep", "kept config", ["kept layer"]);
          await pushBlob("b", "garbage");
          await age(2);
          breakAll(call, when, forced);
          await collect().catch(() => {});
          if (!allHappened()) break;
          await env.DB.prepare("UPDATE gc_state SET lease_expires_at = 1").run();
          // What only a manifest used counts as unused from the run that took it.
          await collected();
          await age(2);
          await collected();
          await collected();
          expect(await pullBlob("a", sha256("kept layer"))).toBe("kept layer");
          expect(await pullBlob("b", sha256("garbage"))).toBe("status 404");
          expect(await objectKeys()).toHaveLength(2);
          await expectSound();
          await empty();
        }
        healAll();
        expect(forced).toBeGreaterThanOrEqual(CALLS_OF_A_RUN[call]);
      });
    }
  }
});

/** Something of every kind that a run takes, under a policy that takes it; orphans excepted, which need time. */
async function fillWithGarbage(): Promise<void> {
  setVariables({ UNTAGGED_MANIFESTS: "1d", DELETE_DANGLING_REFERRERS: "true", DELETED_BYTES_KEPT: "0" });
  await pushBlob("doomed", "doomed");
  await env.DB.batch([env.DB.prepare("DELETE FROM repository_blobs"), env.DB.prepare("DELETE FROM blobs")]);
  await pushImage("old", null, "old config", ["old layer"], { padding: "x".repeat(1_100_000) });
  await pushBlob("emptied", "loose");
  await pushBlob("unlinked", "unlinked");
  await request("DELETE", `/v2/unlinked/blobs/${sha256("unlinked")}`);
}

async function empty(): Promise<void> {
  healAll();
  for (const table of ["tags", "manifests", "repository_blobs", "blobs", "repositories", "doomed_objects"]) {
    await env.DB.prepare(`DELETE FROM ${table}`).run();
  }
  await env.DB.prepare("UPDATE gc_state SET holder = NULL, cursors = '{}'").run();
  const keys = await objectKeys();
  if (keys.length > 0) await bucket.delete(keys);
}

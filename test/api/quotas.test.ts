/** Quotas: what counts for them, and what has no room. */

import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import { age, collected, expectSound, objectKeys } from "../gc/support.ts";
import { setDaysAhead } from "../support/clock.ts";
import { allHappened, breakAll, healAll, interleave } from "../support/faults.ts";
import { imageOf, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { setQuota, usedOf } from "../support/quotas.ts";
import {
  bytesOf,
  close,
  noise,
  patch,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { addUser, basic } from "../support/users.ts";

const TEAM = { repositories: "team/**" };

afterEach(async () => {
  setDaysAhead(0);
  healAll();
  await expectSound();
});

function post(name: string, content: string | Uint8Array<ArrayBuffer>, user = "admin"): Promise<Response> {
  const init = { body: content, headers: { Authorization: basic(user) } };
  return request("POST", `/v2/${name}/blobs/uploads/?digest=${sha256(content)}`, init);
}

function mount(from: string, to: string, content: string): Promise<Response> {
  return request("POST", `/v2/${to}/blobs/uploads/?mount=${sha256(content)}&from=${from}`);
}

/** A refusal by a quota, and by nothing else. */
async function expectRefused(response: Response, detail: object = {}): Promise<void> {
  const { errors } = (await response.json()) as { errors: { code: string; detail: object }[] };
  expect([response.status, errors[0]?.code]).toEqual([403, "DENIED"]);
  expect(errors[0]?.detail).toMatchObject({ quota: expect.any(String), ...detail });
}

/** That nothing of a content is anywhere. */
async function expectNowhere(content: string | Uint8Array, objects = 0): Promise<void> {
  const rows = await env.DB.prepare("SELECT 1 FROM blobs WHERE digest = ?1").bind(sha256(content)).all();
  const open = await env.DB.prepare("SELECT 1 FROM open_uploads").all();
  expect([rows.results.length, open.results.length, (await objectKeys()).length]).toEqual([0, 0, objects]);
}

describe("what counts", () => {
  test("is each blob once, whoever of the quota's repositories links it, and each manifest", async () => {
    await setQuota("team", TEAM, 1_000_000);
    await setQuota("other", { repositories: "other" }, 1_000_000);
    await pushBlob("team/a", "1234567");
    await pushBlob("team/b/c", "1234567");
    expect(await usedOf("team")).toBe(7);
    await pushBlob("other", "1234567");
    expect([await usedOf("team"), await usedOf("other")]).toEqual([7, 7]);
    const image = imageOf("1234567", []);
    await putManifest("team/a", "latest", image);
    await putManifest("team/a", "v1", image);
    expect(await usedOf("team")).toBe(7 + JSON.stringify(image).length);
  });

  test("is counted where it was before the quota, and again when the quota is set to others", async () => {
    await pushImage("team/a", "latest", "config", ["layer"]);
    await pushBlob("team/b", "layer");
    await pushBlob("other", "other");
    const bytes = "configlayer".length + JSON.stringify(imageOf("config", ["layer"])).length;
    expect(await setQuota("team", TEAM, 1_000_000)).toBe(bytes);
    expect(await setQuota("team", TEAM, 1_000_000)).toBe(bytes);
    expect(await setQuota("team", { repositories: "other" }, 1_000_000)).toBe(5);
    expect(await setQuota("team", { repositories: "**" }, 1_000_000)).toBe(bytes + 5);
  });

  test("counts no more once it is deleted, or collected: the last of its links", async () => {
    await setQuota("team", TEAM, 1_000_000);
    const digest = await pushImage("team/a", "latest", "config", ["layer"]);
    await pushBlob("team/b", "layer");
    await pushBlob("team/b", "loose");
    await request("DELETE", `/v2/team/a/manifests/${digest}`);
    expect(await usedOf("team")).toBe("configlayerloose".length);
    await request("DELETE", `/v2/team/b/blobs/${sha256("loose")}`);
    expect(await usedOf("team")).toBe("configlayer".length);
    await request("DELETE", `/v2/team/b/blobs/${sha256("layer")}`);
    expect(await usedOf("team")).toBe("configlayer".length);
    await age(2);
    await collected();
    expect(await usedOf("team")).toBe(0);
    // The repositories themselves go, and come again.
    expect((await env.DB.prepare("SELECT * FROM quota_repositories").all()).results).toEqual([]);
    await pushBlob("team/b", "layer");
    expect(await usedOf("team")).toBe(5);
  });

  test("follows a size that a scrub has put right", async () => {
    await setQuota("team", TEAM, 1_000_000);
    const digest = await pushImage("team/a", "latest", "config", []);
    const before = (await usedOf("team")) ?? 0;
    await env.DB.prepare("UPDATE blobs SET size = size + 10").run();
    await env.DB.prepare("UPDATE manifests SET size = size + 100 WHERE digest = ?1").bind(digest).run();
    expect(await usedOf("team")).toBe(before + 110);
  });
});

describe("an owner's quota", () => {
  const push = (name: string, content: string, user: string) => post(name, content, user);

  test("counts the repositories that the user's pushes have made, whoever pushes there", async () => {
    for (const user of ["alice", "bob"]) await addUser(user);
    await setQuota("alice", { owner: "alice" }, 10);
    await pushBlob("old", "from before");
    expect((await push("a", "12345", "alice")).status).toBe(201);
    expect((await push("b", "67890", "bob")).status).toBe(201);
    expect((await push("b", "abcdefgh", "alice")).status).toBe(201);
    expect(await usedOf("alice")).toBe(5);
    expect((await push("a", "abcde", "bob")).status).toBe(201);
    await expectRefused(await push("a", "f", "bob"), { quota: "alice", used: 10, allowed: 10 });
    await expectRefused(await push("new", "f", "alice"), { quota: "alice" });
    expect((await push("new", "f", "bob")).status).toBe(201);
    expect((await push("new", "g", "alice")).status).toBe(201);
  });

  test("counts what a mount or a session has made, and for machine tokens their owner", async () => {
    await addUser("alice");
    await setQuota("alice", { owner: "alice" }, 100);
    await pushBlob("source", "12345");
    const headers = { Authorization: basic("alice") };
    await request("POST", `/v2/mounted/blobs/uploads/?mount=${sha256("12345")}&from=source`, { headers });
    expect(await usedOf("alice")).toBe(5);
    const access = [{ repositories: ["**"], actions: ["pull", "push"] }];
    const body = JSON.stringify({ name: "ci", access, expiresIn: 3600 });
    const made = await request("POST", "/v2/_berth/tokens", { body, headers });
    const { token } = (await made.json()) as { token: string };
    const machine = { headers: { Authorization: basic("alice", token) } };
    const started = await request("POST", "/v2/session/blobs/uploads/", machine);
    const location = started.headers.get("Location") as string;
    await request("PUT", `${location}?digest=${sha256("678")}`, { body: "678", ...machine });
    expect(await usedOf("alice")).toBe(8);
  });
});

describe("a blob without room is refused before a byte is stored", () => {
  /** Each way in which a blob of known length comes. */
  const WAYS: Record<string, (name: string, content: string) => Promise<Response>> = {
    "one POST": post,
    "POST and PUT": async (name, content) =>
      close(await startUpload(name), sha256(content), { body: content }),
    "a PATCH with its length": async (name, content) => patch(await startUpload(name), content),
    "a PUT that closes a chunked upload": async (name, content) => {
      const location = await startUpload(name);
      await patch(location, content.slice(0, 1));
      return close(location, sha256(content), { body: content.slice(1) });
    },
    "a PATCH of unknown length, and the PUT behind it": async (name, content) => {
      const location = await startUpload(name);
      await patch(location, streamOf([bytesOf(content)]));
      return close(location, sha256(content));
    },
  };

  test.each(Object.entries(WAYS))("%s, to a repository that is there and to a new one", async (_, push) => {
    await setQuota("team", TEAM, 10);
    await pushBlob("team/a", "123456");
    for (const name of ["team/a", "team/new"]) {
      const costs = await measure(async () =>
        expectRefused(await push(name, "78901"), { quota: "team", used: 6, allowed: 10 }),
      );
      expect(costs.r2).toEqual({});
      await expectNowhere("78901", 1);
    }
    expect((await push("other", "78901")).status).toBeLessThan(300);
    expect((await push("team/new", "7890")).status).toBeLessThan(300);
  });

  test("and one that the quota counts already is not, where its digest is known", async () => {
    await setQuota("team", TEAM, 10);
    await pushBlob("team/a", "1234567");
    expect((await post("team/b", "1234567")).status).toBe(201);
    const location = await startUpload("team/c");
    expect((await close(location, sha256("1234567"), { body: "1234567" })).status).toBe(201);
    expect(await usedOf("team")).toBe(7);
  });

  test("an upload session does not begin where there is no room at all, unless for what is counted", async () => {
    await setQuota("team", TEAM, 7);
    await pushBlob("team/a", "1234567");
    for (const name of ["team/a", "team/new"]) {
      await expectRefused(await request("POST", `/v2/${name}/blobs/uploads/`), { used: 7, allowed: 7 });
      const elsewhere = `?mount=${sha256("none")}&from=other`;
      await expectRefused(await request("POST", `/v2/${name}/blobs/uploads/${elsewhere}`));
      const counted = await startUpload(name, `?mount=${sha256("1234567")}&from=other`);
      expect((await close(counted, sha256("1234567"), { body: "1234567" })).status).toBe(201);
    }
    await expectNowhere("none", 1);
  });

  test("its session is gone, and so are parts that came before", async () => {
    const content = noise(8 * 1024 * 1024 + 10);
    await setQuota("team", TEAM, content.byteLength - 5);
    const location = await startUpload("team/a");
    await patch(location, content.slice(0, 8 * 1024 * 1024 + 1));
    const costs = await measure(async () =>
      expectRefused(await patch(location, content.slice(8 * 1024 * 1024 + 1))),
    );
    // Some stores look at what they abort, and delete it.
    const { abort, delete: deleted = 0, head: _, ...others } = costs.r2;
    expect([abort, others]).toEqual([1, {}]);
    expect(deleted).toBeLessThanOrEqual(2);
    expect((await close(location, sha256(content))).status).toBe(404);
    expect((await request("GET", location)).status).toBe(404);
    await expectNowhere(content);
  });

  test("not an empty one: it takes no room", async () => {
    await setQuota("team", TEAM, 0);
    expect((await post("team/a", "")).status).toBe(201);
    expect(await usedOf("team")).toBe(0);
  });
});

describe("two pushes at once for the last room: one has it", () => {
  const rest = "1234567";

  test.each([
    ["one POST", 0, () => post("team/a", "abcde")],
    ["POST and PUT", 1, async () => close(await startUpload("team/a"), sha256("abcde"), { body: "abcde" })],
    [
      "PATCH and PUT",
      1,
      async () => {
        const location = await startUpload("team/a");
        await patch(location, streamOf([bytesOf("abcde")]));
        return close(location, sha256("abcde"));
      },
    ],
  ] as const)("blobs, by %s", async (_, batchesBefore, push) => {
    await setQuota("team", TEAM, 10);
    interleave("DB.batch", () => post("team/b", rest), batchesBefore);
    const response = await push();
    expect(allHappened()).toBe(true);
    await expectRefused(response, { quota: "team", used: 7, allowed: 10 });
    expect(await usedOf("team")).toBe(7);
    await expectNowhere("abcde", 1);
    // Nor is the repository there that the push would have made.
    expect((await env.DB.prepare("SELECT name FROM repositories").all()).results).toEqual([
      { name: "team/b" },
    ]);
    // Its key is on record until no try of its commit can be on its way any more, and then nothing is left.
    await collected();
    setDaysAhead(0.1);
    await collected();
    expect((await env.DB.prepare("SELECT * FROM doomed_objects").all()).results).toEqual([]);
  });

  test("mounts", async () => {
    await pushBlob("source", "abcde");
    await setQuota("team", TEAM, 10);
    interleave("DB.batch", () => post("team/b", rest));
    await expectRefused(await mount("source", "team/a", "abcde"), { used: 7, allowed: 10 });
    expect(allHappened()).toBe(true);
    expect((await request("HEAD", `/v2/team/a/blobs/${sha256("abcde")}`)).status).toBe(404);
  });

  test.each([
    ["in a row", ""],
    ["an object", "x".repeat(1_000_001)],
  ])("manifests, %s", async (_, padding) => {
    const image = imageOf("config", [], { padding });
    const bytes = JSON.stringify(image).length;
    await pushBlob("team/a", "config");
    await setQuota("team", TEAM, 6 + bytes + 3);
    interleave("DB.batch", () => post("team/b", rest), 1);
    await expectRefused(await putManifest("team/a", "latest", image), { used: 13 });
    expect(allHappened()).toBe(true);
    expect((await request("HEAD", "/v2/team/a/manifests/latest")).status).toBe(404);
    await expectNowhere("none", 2);
  });

  test("of which the one that was first goes meanwhile: then the other one fits", async () => {
    await setQuota("team", TEAM, 10);
    await pushBlob("team/b", rest);
    await setQuota("team", TEAM, 20);
    // The commit is refused, and before anybody asks by what there is room again.
    interleave("DB.batch", () => setQuota("team", TEAM, 10));
    interleave("DB.query", () => request("DELETE", `/v2/team/b/blobs/${sha256(rest)}`), 1);
    expect((await post("team/a", "abcde")).status).toBe(201);
    expect(allHappened()).toBe(true);
    expect(await usedOf("team")).toBe(5);
  });
});

describe("a mount", () => {
  test("adds nothing where the quota counts the blob already, and is refused where it does not fit", async () => {
    await pushBlob("source", "12345678");
    await pushBlob("team/a", "1234567");
    await setQuota("team", TEAM, 7);
    expect((await mount("team/a", "team/b", "1234567")).status).toBe(201);
    await expectRefused(await mount("source", "team/b", "12345678"), { quota: "team", used: 7, allowed: 7 });
    expect((await mount("team/a", "source", "1234567")).status).toBe(201);
  });
});

describe("a quota that is set below what is used", () => {
  test("refuses what adds bytes, and nothing else", async () => {
    const digest = await pushImage("team/a", "latest", "config", ["layer"]);
    const used = await setQuota("team", TEAM, 1);
    await expectRefused(await post("team/a", "more"), { used, allowed: 1 });
    await expectRefused(await putManifest("team/a", "v2", imageOf("config", [])), { used, allowed: 1 });
    expect((await post("team/b", "layer")).status).toBe(201);
    expect((await mount("team/a", "team/b", "config")).status).toBe(201);
    expect((await putManifest("team/b", "copy", imageOf("config", ["layer"]))).status).toBe(201);
    expect((await putManifest("team/a", "v1", imageOf("config", ["layer"]))).status).toBe(201);
    // An empty one takes no room.
    expect((await post("team/a", "")).status).toBe(201);
    expect((await request("DELETE", `/v2/team/b/manifests/${digest}`)).status).toBe(202);
    expect(await usedOf("team")).toBe(used);
  });

  test("counts for a session that began before it", async () => {
    const location = await startUpload("team/a");
    await setQuota("team", TEAM, 1);
    await expectRefused(await close(location, sha256("layer"), { body: "layer" }), { allowed: 1 });
    await expectNowhere("layer");
  });
});

describe("after a refusal", () => {
  const HOUR = 1 / 24;

  test("what the push brought before is collected an hour later; what is used, or another's, stays", async () => {
    await pushImage("team/a", "latest", "config", ["used"]);
    await pushBlob("team/other", "other");
    const used = await setQuota("team", TEAM, 1_000_000);
    await setQuota("team", TEAM, used + 10);
    await pushBlob("team/a", "first");
    await expectRefused(await post("team/a", "second, too large"));
    setDaysAhead(0.9 * HOUR);
    expect(await collected()).toEqual({});
    setDaysAhead(1.1 * HOUR);
    expect(await collected()).toEqual({ links: 1 });
    setDaysAhead(0);
    expect(await usedOf("team")).toBe(used);
    for (const [name, content] of [
      ["team/a", "used"],
      ["team/other", "other"],
    ])
      expect((await request("HEAD", `/v2/${name}/blobs/${sha256(content as string)}`)).status).toBe(200);
  });

  test("another push to the repository that looks for it, keeps it", async () => {
    await setQuota("team", TEAM, 10);
    await pushBlob("team/a", "first");
    await expectRefused(await post("team/a", "second"));
    expect((await request("HEAD", `/v2/team/a/blobs/${sha256("first")}`)).status).toBe(200);
    setDaysAhead(2 * HOUR);
    expect(await collected()).toEqual({});
  });

  test("it is told all the same when the database cannot let go of it", async () => {
    await setQuota("team", TEAM, 10);
    await pushBlob("team/a", "first");
    // The look at the room, and then that.
    breakAll("DB.query", "before", 1);
    await expectRefused(await post("team/a", "second"));
    expect(allHappened()).toBe(true);
    setDaysAhead(2 * HOUR);
    expect(await collected()).toEqual({});
  });
});

test("without a quota, a push writes no more rows; with one, two more for each blob and manifest", async () => {
  const rows = async (work: () => Promise<unknown>) => (await measure(work)).rowsWritten;
  await pushBlob("a", "config");
  await pushBlob("b", "config");
  const push = (name: string) => async () => {
    await post(name, `layer of ${name}`);
    await putManifest(name, "latest", imageOf("config", [`layer of ${name}`]));
  };
  const without = await rows(push("a"));
  await setQuota("b", { repositories: "b" }, 1_000_000);
  expect(await rows(push("b"))).toBe(without + 4);
});

test("within its room a quota costs a push no query more", async () => {
  const queries = async (work: () => Promise<unknown>) => (await measure(work)).queries;
  const push = (name: string) => async () => {
    await pushBlob(name, `layer of ${name}`);
    const location = await startUpload(name);
    await patch(location, streamOf([bytesOf(`config of ${name}`)]));
    await close(location, sha256(`config of ${name}`));
    await putManifest(name, "latest", imageOf(`config of ${name}`, [`layer of ${name}`]));
  };
  const without = await queries(push("a"));
  await setQuota("b", { repositories: "b" }, 1_000_000);
  expect(await queries(push("b"))).toBe(without);
});

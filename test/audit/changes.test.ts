/** Every change of a repository is one event, written with it: neither is there without the other. */

import { env } from "cloudflare:workers";
import { describe, expect, inject, test } from "vitest";
import { eventsOf, gist, storedEvents } from "../support/events.ts";
import { allHappened, breakAll, breakNext, healAll, interleave } from "../support/faults.ts";
import { digestOfManifest, imageOf, pushImage } from "../support/images.ts";
import { patch, pushBlob, putManifest, request, sha256, startUpload } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";

const FROM = { "CF-Connecting-IP": "192.0.2.7", "User-Agent": "docker/28.0" };

function as(authorization: string): { headers: Record<string, string> } {
  return { headers: { ...FROM, Authorization: authorization } };
}

function remove(path: string, authorization = basic("admin")): Promise<Response> {
  return request("DELETE", `/v2/a/${path}`, as(authorization));
}

function postBlob(content: string, authorization = basic("admin")): Promise<Response> {
  const path = `/v2/a/blobs/uploads/?digest=${sha256(content)}`;
  return request("POST", path, { body: content, ...as(authorization) });
}

const [ONE, TWO] = [imageOf("config", ["one"]), imageOf("config", ["two"])];
const [FIRST, SECOND] = [digestOfManifest(ONE), digestOfManifest(TWO)];

async function pushContents(): Promise<void> {
  for (const content of ["config", "one", "two"]) await pushBlob("a", content);
}

describe("an event says", () => {
  test("who, from where, when, what and how it ended", async () => {
    const before = Date.now();
    const [event, ...others] = await eventsOf(() => postBlob("hello"));
    expect(others).toEqual([]);
    expect(event).toEqual({
      ...{ id: expect.stringMatching(/^blobs\//), at: expect.any(Number), actor: "admin" },
      ...{ credential: "password", address: "192.0.2.7", user_agent: "docker/28.0", action: "push-blob" },
      ...{ outcome: "done", repository: "a", reference: null, old_digest: null, new_digest: sha256("hello") },
      detail: JSON.stringify({ size: 5 }),
    });
    expect(event?.at).toBeGreaterThanOrEqual(before);
    expect(event?.at).toBeLessThanOrEqual(Date.now());
  });

  test("the same where an upload session writes it: of the request that closes the session", async () => {
    await addUser("other");
    const location = await startUpload("a");
    await patch(location, "hello");
    const [event, ...others] = await eventsOf(() =>
      request("PUT", `${location}?digest=${sha256("hello")}`, as(basic("other"))),
    );
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      ...{ actor: "other", credential: "password", address: "192.0.2.7", user_agent: "docker/28.0" },
      ...{ action: "push-blob", repository: "a", new_digest: sha256("hello"), outcome: "done" },
    });
  });

  test("at most 200 characters of the user agent", async () => {
    const headers = { Authorization: basic("admin"), "User-Agent": "x".repeat(5000) };
    const path = `/v2/a/blobs/uploads/?digest=${sha256("hello")}`;
    const [event] = await eventsOf(() => request("POST", path, { body: "hello", headers }));
    expect(event?.user_agent).toBe("x".repeat(200));
  });

  test("of a machine token its owner and its id, never the token", async () => {
    const access = [{ repositories: ["**"], actions: ["pull", "push"] }];
    const body = JSON.stringify({ name: "ci", access, expiresIn: 3600 });
    const { token } = (await (await request("POST", "/v2/_berth/tokens", { body })).json()) as {
      token: string;
    };
    const [event] = await eventsOf(() => postBlob("hello", basic("admin", token)));
    expect(event).toMatchObject({
      actor: "admin",
      credential: `token ${sha256(token).replace("sha256:", "")}`,
    });
    expect(JSON.stringify(await storedEvents())).not.toContain(token);
  });

  test("of who signed in elsewhere the name there", async () => {
    const issuer = `${inject("issuer")}/audit`;
    setVariables({ OIDC_ISSUERS: issuer, OIDC_AUDIENCE: "registry.test" });
    const access = [{ repositories: ["a"], actions: ["pull", "push"] }];
    await env.USERS.put("rule/a", JSON.stringify({ issuer, claims: { sub: "repo:acme/app" }, access }));
    const body = JSON.stringify({ sub: "repo:acme/app" });
    const idToken = await (await fetch(`${issuer}/sign`, { method: "POST", body })).text();
    const [event] = await eventsOf(() => postBlob("hello", basic("oidc", idToken)));
    expect(event).toMatchObject({
      actor: `${issuer.replace("http://", "")}#repo:acme/app`,
      credential: "oidc",
    });
  });
});

describe("a push of a manifest", () => {
  test("is an event, and one more for each tag that is new or moves, with what it named until then", async () => {
    await pushContents();
    expect((await eventsOf(() => putManifest("a", "v1?tag=latest", ONE))).map(gist)).toEqual([
      ["push-manifest", "a", "-", "-", FIRST],
      ["move-tag", "a", "latest", "-", FIRST],
      ["move-tag", "a", "v1", "-", FIRST],
    ]);
    expect((await eventsOf(() => putManifest("a", "v2?tag=latest", TWO))).map(gist)).toEqual([
      ["push-manifest", "a", "-", "-", SECOND],
      ["move-tag", "a", "latest", FIRST, SECOND],
      ["move-tag", "a", "v2", "-", SECOND],
    ]);
  });

  test("that changes nothing is a push nevertheless, and moves no tag", async () => {
    await pushContents();
    await putManifest("a", "v1", ONE);
    const events = await eventsOf(() => putManifest("a", "v1", ONE));
    expect(events.map(gist)).toEqual([["push-manifest", "a", "-", "-", FIRST]]);
    expect(events[0]?.detail).toBe(JSON.stringify({ tags: ["v1"] }));
  });

  test("that is refused is none", async () => {
    expect(await eventsOf(() => putManifest("a", "v1", ONE))).toEqual([]);
  });

  test("tells the digest that the tag had at that moment, not when the push began", async () => {
    await pushContents();
    const third = imageOf("config", ["one", "two"]);
    await putManifest("a", "v1", ONE);
    // Between what the push looks up, and what it writes.
    interleave("DB.batch", () => putManifest("a", "v1", TWO), 1);
    const events = await eventsOf(() => putManifest("a", "v1", third));
    expect(allHappened()).toBe(true);
    const moves = events.filter(({ action }) => action === "move-tag");
    expect(moves.map(({ old_digest, new_digest }) => [old_digest, new_digest])).toEqual(
      expect.arrayContaining([
        [FIRST, SECOND],
        [SECOND, digestOfManifest(third)],
      ]),
    );
    expect(moves).toHaveLength(2);
  });
});

describe("a mount", () => {
  test("is an event that says from where; one of what is not there is none", async () => {
    await pushBlob("source", "hello");
    const mount = (digest: string) =>
      request("POST", `/v2/a/blobs/uploads/?mount=${digest}&from=source`, as(basic("admin")));
    const events = await eventsOf(() => mount(sha256("hello")));
    expect(events.map(gist)).toEqual([["mount-blob", "a", "-", "-", sha256("hello")]]);
    expect(events[0]?.detail).toBe(JSON.stringify({ from: "source" }));
    await pushBlob("a", "own");
    expect(await eventsOf(() => mount(sha256("own")))).toEqual([]);
  });
});

describe("a deletion", () => {
  test("of a tag says what it named", async () => {
    const digest = await pushImage("a", "v1", "config", []);
    expect((await eventsOf(() => remove("manifests/v1"))).map(gist)).toEqual([
      ["delete-tag", "a", "v1", digest, "-"],
    ]);
  });

  test("of a manifest is one event, and one for each tag that goes with it", async () => {
    await pushContents();
    await putManifest("a", "v1?tag=latest", ONE);
    await putManifest("a", "other", TWO);
    expect((await eventsOf(() => remove(`manifests/${FIRST}`))).map(gist)).toEqual([
      ["delete-manifest", "a", "-", FIRST, "-"],
      ["delete-tag", "a", "latest", FIRST, "-"],
      ["delete-tag", "a", "v1", FIRST, "-"],
    ]);
  });

  test("of a blob is an event; where a manifest names it there is neither", async () => {
    await pushImage("a", "v1", "config", []);
    await pushBlob("a", "loose");
    expect((await eventsOf(() => remove(`blobs/${sha256("loose")}`))).map(gist)).toEqual([
      ["delete-blob", "a", "-", sha256("loose"), "-"],
    ]);
    expect(await eventsOf(() => remove(`blobs/${sha256("config")}`))).toEqual([]);
  });

  test("of what is not there is none", async () => {
    await pushBlob("a", "hello");
    for (const path of ["manifests/v1", `manifests/${FIRST}`, `blobs/${FIRST}`])
      expect([path, await eventsOf(() => remove(path))]).toEqual([path, []]);
  });
});

/** Each change, what it needs, and whether it has been made. */
const CHANGES: Record<
  string,
  { prepare(): Promise<unknown>; change(): Promise<Response>; made: string; told: string[] }
> = {
  "a push of a blob": {
    prepare: async () => {},
    change: () => postBlob("hello"),
    made: `SELECT 1 FROM repository_blobs JOIN blobs ON id = blob_id WHERE digest = '${sha256("hello")}'`,
    told: ["push-blob"],
  },
  "a push of a manifest": {
    prepare: pushContents,
    change: () => putManifest("a", "v1", ONE),
    made: "SELECT 1 FROM tags WHERE name = 'v1'",
    told: ["push-manifest", "move-tag"],
  },
  "a mount": {
    prepare: () => pushBlob("source", "hello"),
    change: () => request("POST", `/v2/a/blobs/uploads/?mount=${sha256("hello")}&from=source`),
    made: "SELECT 1 FROM repository_blobs JOIN repositories ON id = repository_id WHERE name = 'a'",
    told: ["mount-blob"],
  },
  "a deletion of a tag": {
    prepare: () => pushImage("a", "v1", "config", []),
    change: () => remove("manifests/v1"),
    made: "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM tags)",
    told: ["delete-tag"],
  },
  "a deletion of a manifest": {
    prepare: () => pushImage("a", "v1", "config", []),
    change: () => remove(`manifests/${digestOfManifest(imageOf("config", []))}`),
    made: "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM manifests)",
    told: ["delete-manifest", "delete-tag"],
  },
  "a deletion of a blob": {
    prepare: () => pushBlob("a", "hello"),
    change: () => remove(`blobs/${sha256("hello")}`),
    made: "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM repository_blobs)",
    told: ["delete-blob"],
  },
};

describe.each(Object.entries(CHANGES))("%s", (_, { prepare, change, made, told }) => {
  const isMade = async () => (await env.DB.prepare(made).first()) !== null;

  test("that the database refuses leaves neither the change nor an event", async () => {
    await prepare();
    breakAll("DB.batch", "before");
    expect(await eventsOf(change)).toEqual([]);
    healAll();
    expect(await isMade()).toBe(false);
  });

  test("is not made when its event cannot be written", async () => {
    await prepare();
    await env.DB.prepare(
      "CREATE TRIGGER unwritable BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'unwritable'); END",
    ).run();
    await change();
    expect(await isMade()).toBe(false);
  });

  test("is told once when its answer is lost and it is repeated", async () => {
    await prepare();
    const events = await eventsOf(async () => {
      // A push of a manifest looks up first what it names.
      if (told.includes("push-manifest")) breakNext("DB.batch", "never", "after");
      else breakNext("DB.batch", "after");
      expect((await change()).status).toBeLessThan(300);
    });
    expect(allHappened()).toBe(true);
    expect(events.map(({ action }) => action)).toEqual(told);
    expect(await isMade()).toBe(true);
  });
});

test("a commit that an upload session repeats with another request is one push", async () => {
  const location = await startUpload("a");
  await patch(location, "hello");
  const close = () => request("PUT", `${location}?digest=${sha256("hello")}`);
  const events = await eventsOf(async () => {
    breakAll("DB.batch", "after");
    expect((await close()).status).toBe(503);
    healAll();
    expect((await close()).status).toBe(201);
  });
  expect(events.map(gist)).toEqual([["push-blob", "a", "-", "-", sha256("hello")]]);
});

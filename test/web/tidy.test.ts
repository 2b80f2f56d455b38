/** Deleting, tagging and collecting by forms: by those who may, once they have seen what it does. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { Browser, linksOf, textOfPage } from "../support/browser.ts";
import { eventsOf, gist } from "../support/events.ts";
import { digestOfManifest, imageOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { setPolicy } from "../support/policies.ts";
import { putManifest, request } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser } from "../support/users.ts";

async function tagsOf(name: string): Promise<string[]> {
  const response = await request("GET", `/v2/${name}/tags/list`);
  return response.status === 200 ? (await response.json<{ tags: string[] }>()).tags : [];
}

describe("a tag", () => {
  test("is deleted, its image stays, and the trail tells who did it", async () => {
    const digest = await pushImage("app", "v1", "config", []);
    await putManifest("app", "latest", imageOf("config", []));
    const browser = await Browser.signedIn("admin");
    const events = await eventsOf(async () => {
      const page = await browser.submit("/delete/app/v1", "/delete/app/v1", { what: "tag" });
      expect([page.status, page.headers.get("Location")]).toEqual([303, "/r/app"]);
    });
    expect(events.map(gist)).toEqual([["delete-tag", "app", "v1", digest, "-"]]);
    expect(events[0]).toMatchObject({ actor: "admin", credential: "password" });
    expect(await tagsOf("app")).toEqual(["latest"]);
  });

  test("that a policy keeps is kept, in words", async () => {
    await pushImage("app", "v1", "config", []);
    await setPolicy("keep", ["app"], ["v*"]);
    const browser = await Browser.signedIn("admin");
    for (const what of ["tag", "image"]) {
      const page = await browser.submit("/delete/app/v1", "/delete/app/v1", { what });
      expect(page.status).toBe(409);
      expect(textOfPage(page)).toContain("the policy keep keeps the tag v1");
    }
    expect(await tagsOf("app")).toEqual(["v1"]);
  });
});

describe("an image", () => {
  test("says what goes with it, and what will be free", async () => {
    await pushImage("app", "v1", "config", ["mine".repeat(500), "shared".repeat(100), "both".repeat(10)]);
    await putManifest(
      "app",
      "stable",
      imageOf("config", ["mine".repeat(500), "shared".repeat(100), "both".repeat(10)]),
    );
    await pushImage("app", "v2", "config", ["both".repeat(10)]);
    await pushImage("other", "v1", "config", ["shared".repeat(100)]);
    const subject = manifestDescriptor(
      imageOf("config", ["mine".repeat(500), "shared".repeat(100), "both".repeat(10)]),
    );
    const referrer = imageOf("config", [], { subject });
    await putManifest("app", digestOfManifest(referrer), referrer);
    const browser = await Browser.signedIn("admin");
    const text = textOfPage(await browser.get("/delete/app/v1"));
    expect(text).toContain("All its tags go with it: stable, v1.");
    expect(text).toContain("1 signatures, SBOMs or other things");
    expect(text).toContain("What will be free: 2 kB");
    const page = await browser.submit("/delete/app/v1", "/delete/app/v1", { what: "image" });
    expect(page.status).toBe(303);
    expect(await tagsOf("app")).toEqual(["v2"]);
  });

  test("is the one that was shown, also when the tag has moved meanwhile", async () => {
    const digest = await pushImage("app", "v1", "config", []);
    const browser = await Browser.signedIn("admin");
    const { html } = await browser.get("/delete/app/v1");
    await pushImage("app", "v1", "config", ["newer"]);
    const form = /name="form" value="([^"]+)"/.exec(html)?.[1] ?? "";
    await browser.post("/delete/app/v1", { form, what: "image", digest });
    expect(await tagsOf("app")).toEqual(["v1"]);
    expect((await request("GET", `/v2/app/manifests/${digest}`)).status).toBe(404);
  });

  test.each([
    {},
    { what: "everything" },
    { what: "image", digest: "v1" },
    { what: "image", digest: "sha256:x" },
  ])("is not deleted by a form that says %j", async (fields) => {
    await pushImage("app", "v1", "config", []);
    const browser = await Browser.signedIn("admin");
    const page = await browser.submit("/delete/app/v1", "/delete/app/v1", {
      what: "",
      digest: "",
      ...fields,
    });
    expect([400, 404]).toContain(page.status);
    expect(await tagsOf("app")).toEqual(["v1"]);
  });
});

describe("a repository", () => {
  test("goes once its name has been typed, so many manifests at a time", async () => {
    for (let index = 0; index < 55; index++)
      await pushImage("team/app", `v${index}`, "config", [], { index });
    const browser = await Browser.signedIn("admin");
    const path = "/delete-repository/team/app";
    const wrong = await browser.submit(path, path, { typed: "team/ap" });
    expect([wrong.status, (await tagsOf("team/app")).length]).toEqual([400, 55]);
    expect(textOfPage(wrong)).toContain("Nothing was deleted.");
    const first = await browser.submit(path, path, { typed: "team/app" });
    expect(textOfPage(first)).toContain("50 images are deleted, and there are more.");
    expect(await tagsOf("team/app")).toHaveLength(5);
    const form =
      /name="form" value="([^"]+)"/.exec(first.html.split("Go on")[0]?.split("<main")[1] ?? "")?.[1] ?? "";
    const last = await browser.post(path, { form, typed: "team/app" });
    expect([last.status, last.headers.get("Location")]).toEqual([303, "/"]);
    expect((await browser.get("/r/team/app")).status).toBe(404);
  });
});

describe("another tag", () => {
  test("is given to what is there, and moves from what it named before", async () => {
    const digest = await pushImage("app", "v1", "config", []);
    await pushImage("app", "stable", "config", ["other"]);
    const browser = await Browser.signedIn("admin");
    for (const tag of ["stable", "new"]) {
      const page = await browser.submit("/retag/app/v1", `/retag/app/${digest}`, { tag });
      expect([page.status, page.headers.get("Location")]).toEqual([303, `/image/app/${tag}`]);
      const head = await request("HEAD", `/v2/app/manifests/${tag}`);
      expect(head.headers.get("Docker-Content-Digest")).toBe(digest);
    }
  });

  test.each(["", "-x", "a b", "ä", "x".repeat(129), "<b>"])(
    "is refused where it is none: %j",
    async (tag) => {
      const digest = await pushImage("app", "v1", "config", []);
      const browser = await Browser.signedIn("admin");
      const page = await browser.submit("/retag/app/v1", `/retag/app/${digest}`, { tag });
      expect(page.status).toBe(400);
      expect(page.html).not.toContain("<b>");
      expect(await tagsOf("app")).toEqual(["v1"]);
    },
  );

  test("does not move where a policy forbids it", async () => {
    const digest = await pushImage("app", "v1", "config", []);
    await pushImage("app", "v2", "config", ["other"]);
    await setPolicy("keep", ["app"], ["v*"]);
    const page = await (await Browser.signedIn("admin")).submit("/retag/app/v1", `/retag/app/${digest}`, {
      tag: "v2",
    });
    expect(page.status).toBe(409);
  });
});

describe("a collection", () => {
  test("says what it would take, runs, and is in the list", async () => {
    await pushImage("app", "v1", "config", []);
    await request("DELETE", "/v2/app/manifests/v1");
    const browser = await Browser.signedIn("admin");
    expect(textOfPage(await browser.get("/collection"))).toContain("There was none yet.");
    const dry = await browser.submit("/collection", "/collection", { what: "dry" });
    expect(textOfPage(dry)).toContain("A collection would take now");
    const run = await browser.submit("/collection", "/collection", { what: "run" });
    expect([run.status, run.headers.get("Location")]).toEqual([303, "/collection"]);
    const page = await browser.get("/collection");
    expect(textOfPage(page)).toMatch(/Last runs .* now complete/);
    expect(linksOf(page)).toContain("/collection");
  });

  test("is not begun while another is under way", async () => {
    await env.DB.prepare("UPDATE gc_state SET holder = 'other', lease_expires_at = 9e15").run();
    const page = await (await Browser.signedIn("admin")).submit("/collection", "/collection", {
      what: "run",
    });
    expect(page.status).toBe(429);
  });
});

describe("whoever may not", () => {
  const PATHS = ["/delete/app/v1", "/delete-repository/app", "/retag/app/v1", "/collection"];

  test("is refused, and shown no way there", async () => {
    await pushImage("app", "v1", "config", []);
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull"] }] });
    const alice = await Browser.signedIn("alice");
    const form = /name="form" value="([^"]+)"/.exec((await alice.get("/")).html)?.[1] ?? "";
    for (const path of PATHS) {
      expect([path, (await alice.get(path)).status]).toEqual([path, 403]);
      const page = await alice.post(path, { form, what: "image", typed: "app", tag: "x" });
      expect([path, page.status]).toEqual([path, 403]);
      expect((await new Browser().get(path)).status).toBe(303);
    }
    for (const path of ["/", "/r/app", "/image/app/v1"])
      expect(linksOf(await alice.get(path)).filter((href) => /delete|retag|collection/.test(href))).toEqual(
        [],
      );
    expect(await tagsOf("app")).toEqual(["v1"]);
  });

  test("cannot delete where deletion is switched off", async () => {
    await pushImage("app", "v1", "config", []);
    setVariables({ ALLOW_DELETE: "false" });
    const browser = await Browser.signedIn("admin");
    expect((await browser.get("/delete/app/v1")).status).toBe(405);
    expect(linksOf(await browser.get("/r/app")).filter((href) => href.includes("delete"))).toEqual([]);
  });

  test("has no form of its own, even with the right", async () => {
    await pushImage("app", "v1", "config", []);
    const browser = await Browser.signedIn("admin");
    for (const path of PATHS)
      expect((await browser.post(path, { what: "image", typed: "app", tag: "x" })).status).toBe(403);
    expect(await tagsOf("app")).toEqual(["v1"]);
  });
});

/** One repository: its tags in order, what is known of each, and nothing for those who may not pull. */

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { Tag } from "../../src/oci/reference.ts";
import { compareVersions, sortTags } from "../../src/web/tag-order.ts";
import { finishBackground } from "../support/background.ts";
import { Browser, linksOf, type Page, textOfPage } from "../support/browser.ts";
import { imageOf, indexOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { pushBlob, putManifest, request, sha256, textOf } from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { addUser, basic } from "../support/users.ts";
import { XSS } from "./images.ts";

/** In their order on the page. */
function tagsOf(page: Page): string[] {
  return linksOf(page).flatMap((href) => /^\/image\/.*\/([^/]+)$/.exec(href)?.[1] ?? []);
}

async function setTime(tag: string, at: number): Promise<void> {
  await env.DB.prepare("UPDATE tags SET updated_at = ?2 WHERE name = ?1").bind(tag, at).run();
}

describe("tags", () => {
  test("come in the order that is asked for", async () => {
    await pushImage("app", "v1.10.0", "config", ["x".repeat(100)]);
    await pushImage("app", "v1.9.0", "config", ["x".repeat(300)]);
    await pushImage("app", "latest", "config", ["x".repeat(200)]);
    await setTime("v1.9.0", 3000);
    await setTime("latest", 2000);
    await setTime("v1.10.0", 1000);
    const browser = await Browser.signedIn("admin");
    const ordered = async (sort: string) => tagsOf(await browser.get(`/r/app?sort=${sort}`));
    expect(await ordered("time")).toEqual(["v1.9.0", "latest", "v1.10.0"]);
    expect(await ordered("name")).toEqual(["latest", "v1.10.0", "v1.9.0"]);
    expect(await ordered("version")).toEqual(["v1.10.0", "v1.9.0", "latest"]);
    expect(await ordered("size")).toEqual(["v1.9.0", "latest", "v1.10.0"]);
    for (const tag of ["v1.10.0", "latest"]) await textOf(await request("GET", `/v2/app/manifests/${tag}`));
    await finishBackground();
    await env.DB.prepare(
      "UPDATE manifests SET pulled_at = 1000 WHERE id = (SELECT manifest_id FROM tags WHERE name = 'latest')",
    ).run();
    expect(await ordered("pull")).toEqual(["v1.9.0", "latest", "v1.10.0"]);
    expect(await ordered("%3Cb%3E")).toEqual(await ordered("time"));
    expect(tagsOf(await browser.get("/r/app?q=V1"))).toHaveLength(2);
  });

  test("say who pushed them, and what is attached", async () => {
    await addUser("alice", { access: [{ repositories: ["**"], actions: ["pull", "push"] }] });
    await pushImage("app", "v1", "config", []);
    const manifest = imageOf("config", [], { by: "alice" });
    await putManifest("app", "v2", manifest, { Authorization: basic("alice") });
    const subject = manifestDescriptor(manifest);
    for (const artifactType of ["application/vnd.dev.cosign.artifact.sig.v1+json", "application/spdx+json"]) {
      const referrer = imageOf("config", [], { subject, artifactType });
      await putManifest("app", sha256(JSON.stringify(referrer)), referrer);
    }
    const attested = `${sha256(JSON.stringify(imageOf("config", [])))}.att`.replace(":", "-");
    await putManifest("app", attested, imageOf("config", [], { attestation: true }));
    const text = textOfPage(await (await Browser.signedIn("admin")).get("/r/app?sort=name"));
    expect(text).toMatch(
      /v1 [0-9a-f]{12} one 6 B (?:now|\d+ seconds? ago) by admin none noted Attestation Delete/,
    );
    expect(text).toMatch(
      /v2 [0-9a-f]{12} one 6 B (?:now|\d+ seconds? ago) by alice none noted Signed SBOM Delete/,
    );
  });

  test("of an index have its platforms, and the size of all of them", async () => {
    await pushImage("app", "arm", "config", ["x".repeat(1000)]);
    await pushImage("app", "amd", "config", ["y".repeat(500)]);
    const children = [imageOf("config", ["x".repeat(1000)]), imageOf("config", ["y".repeat(500)])];
    const index = indexOf([], {
      manifests: children.map((child, place) => ({
        ...manifestDescriptor(child),
        platform: { os: "linux", architecture: place === 0 ? "arm64" : "amd64" },
      })),
    });
    await putManifest("app", "multi", index);
    const text = textOfPage(await (await Browser.signedIn("admin")).get("/r/app?q=multi"));
    expect(text).toContain("linux/arm64, linux/amd64 1.5 kB");
  });

  test("come with what the first of them says of itself, as a text", async () => {
    const annotations = { "org.example.readme": `# Hello\n\n${XSS}` };
    await pushImage("app", "v1", "config", [], { annotations });
    const page = await (await Browser.signedIn("admin")).get("/r/app");
    expect(page.html).toContain("<h3>Hello</h3>");
    expect(page.html).not.toMatch(/<script>|<img src=x/);
  });

  test("are many: pages, in order, and no more work for each", async () => {
    await pushImage("app", "v0", "config", []);
    await env.DB.prepare(
      `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
       SELECT repository_id, 't' || i, id, i FROM n JOIN manifests`,
    ).run();
    const browser = await Browser.signedIn("admin");
    const first = await browser.get("/r/app?sort=time");
    expect(tagsOf(first)).toHaveLength(25);
    expect(textOfPage(first)).toContain("more than 5000 tags");
    const second = await browser.get(linksOf(first).find((href) => href.includes("page=1")) ?? "");
    expect(tagsOf(second)).toHaveLength(25);
    expect(tagsOf(first).filter((tag) => tagsOf(second).includes(tag))).toEqual([]);
    const costs = await measure(() => browser.get("/r/app?sort=time&page=3"));
    expect(costs.queries).toBeLessThanOrEqual(5);
    expect(costs.rowsRead).toBeLessThan(7000);
    expect(textOfPage(await browser.get("/r/app?sort=size"))).toContain("Only the 500 newest");
  });
});

describe("rights", () => {
  test("a visitor is asked to sign in, and sees what is public", async () => {
    await pushImage("team/app", "v1", "config", []);
    for (const path of ["/r/team/app", "/r/none", "/image/team/app/v1", "/raw/team/app/v1"]) {
      const page = await new Browser().get(path);
      const to = `/sign-in?${new URLSearchParams({ to: path })}`;
      expect([path, page.status, page.headers.get("Location")]).toEqual([path, 303, to]);
    }
    setVariables({ PUBLIC_REPOSITORIES: "team/*" });
    for (const path of ["/r/team/app", "/image/team/app/v1", "/raw/team/app/v1"])
      expect((await new Browser().get(path)).status).toBe(200);
    expect((await new Browser().get("/r/team/none")).status).toBe(404);
  });

  test("a user without the right learns nothing", async () => {
    await pushImage("secret", "v1", "config", []);
    await addUser("alice", { access: [{ repositories: ["open"], actions: ["pull"] }] });
    const alice = await Browser.signedIn("alice");
    const [there, none] = [await alice.get("/r/secret"), await alice.get("/r/none")];
    expect([there.status, none.status]).toEqual([403, 403]);
    expect(textOfPage(there)).toBe(textOfPage(none));
    expect((await alice.get("/r/open")).status).toBe(404);
  });

  test.each(["A", "a..b", "a/-/x", "a%00", `${"x".repeat(300)}`])(
    "what is no repository is not found: %j",
    async (name) => {
      const page = await (await Browser.signedIn("admin")).get(`/r/${name}`);
      expect([400, 404]).toContain(page.status);
    },
  );
});

test("versions are ordered as semver says", () => {
  const ascending = [
    ...["latest", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11"],
    ...["1.0.0-rc.1", "1.0.0", "v1.2", "1.10", "2"],
  ];
  const keys = ascending.map((name) => ({ name: name as Tag, updatedAt: 0 }));
  expect(sortTags(keys.toReversed(), "version", new Map()).map(({ name }) => name)).toEqual(
    ascending.toReversed(),
  );
  expect(compareVersions("1.0", "v1.0.0")).toBe(0);
  expect(compareVersions("a", "b")).toBe(0);
});

test("a blob alone makes no page", async () => {
  await pushBlob("half", "x");
  expect((await (await Browser.signedIn("admin")).get("/r/half")).status).toBe(404);
  expect((await request("GET", "/v2/half/tags/list")).status).toBe(200);
});

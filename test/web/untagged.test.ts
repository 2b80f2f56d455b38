/** What no tag leads to: listed in pages, with what needs it, and deleted by those who may. */

import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { Browser, linksOf, type Page, textOfPage } from "../support/browser.ts";
import { imageOf, indexOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { putManifest, sha256 } from "../support/registry.ts";
import { addUser } from "../support/users.ts";

function digestsOf(page: Page): string[] {
  return linksOf(page).flatMap((href) => /^\/image\/app\/(.*)$/.exec(href)?.[1] ?? []);
}

test("it is what has no tag, with what needs it", async () => {
  await pushImage("app", "v1", "config", ["tagged"]);
  const left = await pushImage("app", null, "config", ["x".repeat(2000)]);
  const child = await pushImage("app", null, "config", ["part"]);
  await putManifest("app", "multi", indexOf([imageOf("config", ["part"])]));
  const subject = manifestDescriptor(imageOf("config", ["tagged"]));
  const referrer = imageOf("config", [], { subject, artifactType: "application/spdx+json" });
  await putManifest("app", sha256(JSON.stringify(referrer)), referrer);
  await pushImage("other", null, "config", ["elsewhere"]);
  const browser = await Browser.signedIn("admin");
  expect(linksOf(await browser.get("/r/app"))).toContain("/untagged/app");
  const page = await browser.get("/untagged/app");
  const shown = [left, child, sha256(JSON.stringify(referrer))].sort();
  expect(digestsOf(page).filter((digest) => digest !== subject.digest)).toEqual(shown);
  const short = (digest: string) => digest.slice(7, 19);
  const text = textOfPage(page);
  expect(text).toMatch(
    new RegExp(`${short(left)} Image nothing 2 kB (now|\\d+ seconds? ago) none noted Delete`),
  );
  expect(text).toMatch(new RegExp(`${short(child)} Image an index 10 B`));
  expect(text).toContain(`application/spdx+json refers to ${short(subject.digest)}`);
  expect((await browser.submit(`/delete/app/${left}`, `/delete/app/${left}`, { what: "image" })).status).toBe(
    303,
  );
  expect(digestsOf(await browser.get("/untagged/app"))).not.toContain(left);
});

test("it comes in pages that cost the same, whatever there is, and also behind many that have a tag", async () => {
  await pushImage("app", "v1", "config", []);
  await env.DB.prepare(
    `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
     SELECT repositories.id, 'sha256:' || printf('%064d', i), 'x', 2, '{}', 1 FROM n JOIN repositories`,
  ).run();
  await env.DB.prepare(
    `INSERT INTO tags (repository_id, name, manifest_id, updated_at)
     SELECT repository_id, 't' || id, id, 1 FROM manifests WHERE digest < 'sha256:' || printf('%064d', 2900) AND size = 2`,
  ).run();
  const browser = await Browser.signedIn("admin");
  const costs = await measure(() => browser.get("/untagged/app"));
  expect(costs).toMatchObject({ queries: 2, rowsWritten: 0 });
  expect(costs.rowsRead).toBeLessThan(5000);
  const first = await browser.get("/untagged/app");
  expect([digestsOf(first), textOfPage(first).includes("Go on to the next page.")]).toEqual([[], true]);
  const seen: string[] = [];
  for (let path: string | undefined = "/untagged/app", pages = 0; path !== undefined && pages < 20; pages++) {
    const page = await browser.get(path);
    seen.push(...digestsOf(page));
    path = /<a href="([^"]*)" rel="next">/.exec(page.html)?.[1]?.replaceAll("&amp;", "&");
  }
  expect([seen.length, new Set(seen).size]).toEqual([101, 101]);
});

test("it is for those who may pull, and is not found fault with", async () => {
  await pushImage("app", "v1", "config", []);
  await addUser("alice", { access: [{ repositories: ["other"], actions: ["pull"] }] });
  await addUser("bob", { access: [{ repositories: ["app"], actions: ["pull"] }] });
  expect((await (await Browser.signedIn("alice")).get("/untagged/app")).status).toBe(403);
  expect((await new Browser().get("/untagged/app")).status).toBe(303);
  const bob = await Browser.signedIn("bob");
  expect(textOfPage(await bob.get("/untagged/app"))).toContain("There is none.");
  await pushImage("app", null, "config", ["x"]);
  expect(textOfPage(await bob.get("/untagged/app"))).not.toContain("Delete");
  for (const after of ["x", "%00", "%3Cscript%3E", "a".repeat(5000)])
    expect((await bob.get(`/untagged/app?after=${after}`)).status).toBe(200);
});

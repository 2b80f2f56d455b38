/** What people do with the pages, and what others try to do to them: in a real browser. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attempt, run } from "../e2e/support/command.ts";
import { signIn } from "./support/session.ts";
import { PASSWORD, startWorld, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});

afterAll(() => world?.end());

type Options = NonNullable<Parameters<Browser["newContext"]>[0]>;

/** A browser of its own, signed in. */
async function open(options: Options = {}): Promise<{ context: BrowserContext; page: Page }> {
  const context = await world.browser.newContext({ locale: "en-US", ...options });
  const page = await context.newPage();
  await signIn(page, world.origin);
  return { context, page };
}

async function tagsOf(name: string): Promise<string[]> {
  const response = await world.client.send("GET", `/v2/${name}/tags/list`);
  return response.status === 200 ? ((await response.json()) as { tags: string[] }).tags : [];
}

describe.each([true, false])("with JavaScript: %j", (javaScriptEnabled) => {
  test("one finds the largest tag, what changed, who pushed it, and deletes it", async () => {
    const { context, page } = await open({ javaScriptEnabled });
    await page.getByRole("link", { name: "team/" }).click();
    await page.getByRole("link", { name: "storefront" }).click();
    await page.getByLabel("Order").selectOption("size");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/sort=size/);
    const largest = page.locator("tbody tr").first();
    const tag = (await largest.locator("th").textContent()) ?? "";
    expect(["1.5.0", "latest", javaScriptEnabled ? "" : "1.4.0"]).toContain(tag);
    expect(await largest.textContent()).toContain("by admin");
    await page.getByLabel("Compare 1.2.0").check();
    await page.getByLabel("Compare 1.3.0").check();
    await page.getByRole("button", { name: "Compare the two" }).click();
    expect(await page.locator("main").textContent()).toContain("ENV RELEASE");
    await page.goto(`${world.origin}/r/team/storefront`);
    const doomed = javaScriptEnabled ? "latest" : "1.5.0";
    await page.getByRole("link", { name: `Delete ${doomed}` }).click();
    await page.getByRole("button", { name: `Delete ${doomed}` }).click();
    await page.waitForURL(/\/r\/team\/storefront$/);
    expect(await tagsOf("team/storefront")).not.toContain(doomed);
    await context.close();
  });

  test("one filters, collects and signs out", async () => {
    const { context, page } = await open({ javaScriptEnabled });
    await page.getByLabel("Part of the name").fill("work");
    if (javaScriptEnabled) await page.waitForURL(/q=work/);
    else await page.getByRole("button", { name: "Show" }).click();
    await expect.poll(() => page.locator("tbody tr").count()).toBe(1);
    expect(await page.locator("tbody").textContent()).toContain("team/worker");
    await page.getByRole("link", { name: "Collection" }).click();
    await page.getByRole("button", { name: "Collect now" }).click();
    await expect.poll(() => page.locator("main").textContent()).toContain("complete");
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect.poll(() => page.locator("header").textContent()).toContain("Sign in");
    await context.close();
  });
});

describe.each([true, false])("with JavaScript: %j", (javaScriptEnabled) => {
  const name = javaScriptEnabled ? "erin" : "frank";

  test("a user is added, signs in, gets other rights, and goes", async () => {
    const { context, page } = await open({ javaScriptEnabled });
    await page.getByRole("link", { name: "Users" }).click();
    await page.getByRole("link", { name: "Add a user" }).click();
    await page.getByLabel("User", { exact: true }).fill(name);
    await page.getByLabel("Repositories, as patterns").first().fill("tools/**");
    await page.getByRole("button", { name: "Add a user" }).click();
    const password = (await page.locator(".success code").textContent()) ?? "";
    const theirs = await world.browser.newContext({ locale: "en-US", javaScriptEnabled });
    const other = await theirs.newPage();
    await signIn(other, world.origin, name, password);
    await expect.poll(() => other.locator("tbody").textContent()).toContain("tools/");
    expect(await other.locator("tbody").textContent()).not.toContain("team/");
    expect(await other.getByRole("link", { name: "Users" }).count()).toBe(0);
    await page.getByLabel("Repositories, as patterns").first().fill("team/**");
    await page.getByRole("button", { name: "Set these rights" }).click();
    await page.getByText("The rights are set.").waitFor();
    // With other rights one signs in again.
    await other.goto(`${world.origin}/tokens`);
    expect(new URL(other.url()).pathname).toBe("/sign-in");
    await signIn(other, world.origin, name, password);
    await expect.poll(() => other.locator("tbody").textContent()).toContain("team/");
    await page.getByLabel(`Type ${name} to confirm`).fill(name);
    await page.getByRole("button", { name: `Remove ${name}` }).click();
    await page.waitForURL(`${world.origin}/users`);
    await other.goto(`${world.origin}/tokens`);
    expect(new URL(other.url()).pathname).toBe("/sign-in");
    for (const each of [context, theirs]) await each.close();
  });
});

test("a cookie that was copied is worth nothing once its session was signed out of", async () => {
  const { context, page } = await open();
  const cookies = await context.cookies();
  const thief = await world.browser.newContext({ locale: "en-US" });
  await thief.addCookies(cookies);
  const elsewhere = await thief.newPage();
  await elsewhere.goto(`${world.origin}/users`);
  expect(await elsewhere.locator("h1").textContent()).toBe("Users");
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect.poll(() => page.locator("header").textContent()).toContain("Sign in");
  await elsewhere.goto(`${world.origin}/users`);
  expect(new URL(elsewhere.url()).pathname).toBe("/sign-in");
  for (const each of [context, thief]) await each.close();
});

test("an image without a tag is found and deleted, and the trail of that day tells of it", async () => {
  const { context, page } = await open();
  await page.goto(`${world.origin}/r/team/storefront`);
  await page.getByRole("link", { name: "Images without a tag" }).click();
  const signature = page.locator("tbody tr", { hasText: "cosign" });
  await signature.getByRole("link", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete this image" }).click();
  await page.waitForURL(/\/r\/team\/storefront$/);
  await page.goto(`${world.origin}/audit?action=delete-manifest`);
  const today = new Date().toISOString().slice(0, 10);
  await page.getByLabel("From (UTC)").fill(today);
  await page.getByRole("button", { name: "Filter" }).click();
  expect(await page.locator("tbody").textContent()).toContain("team/storefront");
  await page.getByLabel("From (UTC)").fill("2001-01-01");
  await page.getByLabel("Until (UTC)").fill("2001-01-02");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByText("There is no such event").waitFor();
  await context.close();
});

test("a repository goes once its name has been typed", async () => {
  const { context, page } = await open();
  await page.goto(`${world.origin}/r/tools/build`);
  await page.getByRole("link", { name: "Delete this repository" }).click();
  await page.getByLabel("Type tools/build").fill("tools/build");
  await page.getByRole("button", { name: "Delete this repository" }).click();
  await page.waitForURL(`${world.origin}/`);
  expect(await tagsOf("tools/build")).toEqual([]);
  await context.close();
});

test("a token is made, opens what it may, and no more", async () => {
  const { context, page } = await open();
  await page.getByRole("link", { name: "Tokens" }).click();
  await page.getByLabel("Name").fill("ci");
  await page.getByLabel("Repositories, as patterns").fill("team/**");
  await page.getByRole("button", { name: "Make a token" }).click();
  const token = (await page.locator(".success code").first().textContent()) ?? "";
  const ask = (path: string) =>
    fetch(`${world.origin}${path}`, {
      headers: { Authorization: `Basic ${Buffer.from(`admin:${token}`).toString("base64")}` },
    });
  expect((await ask("/v2/team/api/tags/list")).status).toBe(200);
  expect((await ask("/v2/tools/lint/tags/list")).status).toBe(403);
  await dockerLogin(token);
  const machine = await world.browser.newPage({ locale: "en-US" });
  await signIn(machine, world.origin, "admin", token);
  await machine.goto(`${world.origin}/r/tools/lint`);
  expect(await machine.locator("h1").textContent()).toBe("Not allowed");
  await machine.goto(`${world.origin}/audit`);
  expect(await machine.locator("h1").textContent()).toBe("Not allowed");
  await machine.close();
  await page.goto(`${world.origin}/tokens`);
  await page.getByRole("button", { name: "Revoke ci" }).click();
  await expect.poll(async () => (await ask("/v2/team/api/tags/list")).status).toBe(401);
  await context.close();
});

/** `docker login`, as the page says it; then skopeo pulls with what docker has noted. */
async function dockerLogin(token: string): Promise<void> {
  const { host } = new URL(world.origin);
  const config = mkdtempSync(join(tmpdir(), "berth-docker-"));
  // Without its daemon, docker logs in by itself.
  const env = { DOCKER_HOST: `unix://${config}/none.sock`, DOCKER_CONFIG: config };
  await run("docker", ["login", "--username", "admin", "--password", token, host], { env });
  const list = (name: string) =>
    attempt("skopeo", [
      "list-tags",
      "--tls-verify=false",
      "--authfile",
      `${config}/config.json`,
      `docker://${host}/${name}`,
    ]);
  expect((await list("team/api")).code).toBe(0);
  expect((await list("tools/lint")).stderr).toContain("403");
  rmSync(config, { recursive: true });
}

test("a visitor sees what is public, and is asked to sign in for the rest", async () => {
  const page = await world.browser.newPage({ locale: "de-DE" });
  await page.goto(world.origin);
  expect(await page.locator("tbody").textContent()).toBe("library/Ordner");
  await page.goto(`${world.origin}/r/team/api`);
  expect(new URL(page.url()).pathname).toBe("/sign-in");
  expect(await page.locator("h1").textContent()).toBe("Anmelden");
  await page.getByLabel("Benutzername").fill("admin");
  await page.getByLabel("Passwort").fill("wrong");
  await page.getByRole("button", { name: "Anmelden" }).click();
  expect(await page.getByRole("alert").textContent()).toContain("falsches Passwort");
  await page.getByLabel("Passwort").fill(PASSWORD);
  await page.getByRole("button", { name: "Anmelden" }).click();
  await page.waitForURL(`${world.origin}/r/team/api`);
  await page.close();
});

test("an image that tries to break out runs nothing", async () => {
  const { context, page } = await open();
  for (const path of ["/r/zoo/hostile", "/image/zoo/hostile/latest", "/raw/zoo/hostile/latest"]) {
    await page.goto(`${world.origin}${path}`, { waitUntil: "networkidle" });
    expect([path, await page.title()]).not.toEqual([path, "pwned"]);
    expect(await page.locator("main script, main img, a[href^=javascript]").count()).toBe(0);
  }
  await context.close();
});

describe("another site", () => {
  /** A page of another host, with a form to ours and with ours in a frame. */
  async function withOtherSite(html: string, work: (url: string) => Promise<void>): Promise<void> {
    const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(html));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    // The same machine under another name: another site for the browser.
    await work(`http://localhost:${port}/`).finally(() => server.close());
  }

  test("cannot send a form in the name of whoever is signed in", async () => {
    const { context, page } = await open();
    const action = `${world.origin}/delete/team/api/latest`;
    const html = `<form method="post" action="${action}"><input name="what" value="tag"><button>Go</button></form>`;
    await withOtherSite(html, async (url) => {
      await page.goto(url);
      await page.getByRole("button").click();
      await page.waitForURL(/sign-in|delete/);
    });
    expect(await tagsOf("team/api")).toContain("latest");
    await context.close();
  });

  test("cannot show a page in a frame", async () => {
    const { context, page } = await open();
    await withOtherSite(`<iframe src="${world.origin}/"></iframe>`, async (url) => {
      const refusals: string[] = [];
      page.on("console", (line) => refusals.push(line.text()));
      await page.goto(url, { waitUntil: "networkidle" });
      expect(refusals.join()).toMatch(/frame-ancestors|X-Frame-Options|Refused to (?:frame|display)|Framing/);
    });
    await context.close();
  });
});

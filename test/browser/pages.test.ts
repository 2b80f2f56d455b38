/** Every page as a browser shows it: readable for everybody, at every width, in the light and in the dark. */

import { createRequire } from "node:module";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../e2e/support/registry.ts";
import { PAGES } from "./support/pages.ts";
import { signIn } from "./support/session.ts";
import { startWorld, type World } from "./support/world.ts";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Where a picture of each page is to be kept: with docs/pictures those of the documentation are taken anew. */
const { PICTURES } = process.env;

const SCREEN = { width: 1000, height: 640 };

const PHONE = { width: 360, height: 740 };

const LANGUAGES = ["en", "de"];

/** By language, each signed in. */
const phones = new Map<string, Page>();

let world: World;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  world = await startWorld();
  context = await world.browser.newContext({ locale: "en-US", viewport: SCREEN });
  page = await context.newPage();
  await signIn(page, world.origin);
  await page.goto(`${world.origin}/collection`);
  await page.getByRole("button", { name: "Collect now" }).click();
  await page.goto(`${world.origin}/add-user`);
  await page.getByLabel("User", { exact: true }).fill("dana");
  await page.getByLabel("Repositories, as patterns").first().fill("team/** library/**");
  await page.getByRole("button", { name: "Add a user" }).click();
  await page.getByText("The user is added.").waitFor();
  const policy = { kind: "immutable", repositories: ["team/**"], tags: ["1.*"] };
  await setUp("PUT", "policies/releases", policy);
  await setUp("PUT", "quotas/team", { repositories: "team/**", allowed: 5_000_000 });
  await setUp("POST", "tokens", {
    name: "ci",
    access: [{ repositories: ["team/**"], actions: ["pull"] }],
    expiresIn: 86400,
  });
});

beforeAll(async () => {
  for (const locale of LANGUAGES) {
    const phone = await world.browser.newContext({ locale, viewport: PHONE });
    await phone.addCookies(await context.cookies());
    phones.set(locale, await phone.newPage());
  }
});

/** By the registry's own extension. */
async function setUp(method: string, path: string, body: object): Promise<void> {
  const response = await world.client.send(method, `/v2/_berth/${path}`, { body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
}

afterAll(() => world?.end());

/** What axe finds against WCAG 2.2 AA, each with the places where. */
async function violationsOf(page: Page): Promise<string[]> {
  // Past the page's policy, which lets no script in but our own.
  const session = await page.context().newCDPSession(page);
  const { readFileSync } = await import("node:fs");
  await session.send("Runtime.evaluate", { expression: readFileSync(AXE, "utf8") });
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { result } = await session.send("Runtime.evaluate", {
    expression: `axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then((found) => JSON.stringify(
      found.violations.map(({ id, nodes }) => id + ": " + nodes.map((node) => node.html + " " + node.failureSummary).join(" | "))))`,
    awaitPromise: true,
    returnByValue: true,
  });
  return JSON.parse(result.value as string);
}

/** A layer's page goes by its digest, which the image's page leads to. */
async function pathOf(name: string, path: string): Promise<string> {
  if (name !== "layer") return path;
  await page.goto(`${world.origin}${path}`);
  return (await page.getByRole("link", { name: "Files of layer 1" }).getAttribute("href")) ?? "";
}

describe.each(PAGES)("%s", (name, image) => {
  let path = image;
  beforeAll(async () => {
    path = await pathOf(name, image);
  });

  test("has no violation of WCAG 2.2 AA, light or dark", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(`${world.origin}${path}`);
      expect(await violationsOf(page)).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: "light" });
  });

  test.each(LANGUAGES)("fits a phone, without a violation, in %s", async (language) => {
    const phone = phones.get(language) as Page;
    await phone.goto(`${world.origin}${path}`);
    const [spoken, width] = await phone.evaluate<[string, number]>(
      "[document.documentElement.lang, document.documentElement.scrollWidth]",
    );
    expect([spoken, await violationsOf(phone)]).toEqual([language, []]);
    expect(width).toBeLessThanOrEqual(PHONE.width);
  });

  test("asks nobody else, breaks no policy, and is small", async () => {
    const hosts = new Set<string>();
    const complaints: string[] = [];
    let bytes = 0;
    const other = await context.newPage();
    other.on("request", (request) => hosts.add(new URL(request.url()).origin));
    other.on("response", async (response) => {
      bytes += (await response.body().catch(() => Buffer.alloc(0))).byteLength;
    });
    // What the browser says of the answer's own status is no complaint of the page.
    other.on("console", (line) => {
      if (line.type() === "error" && !/status of 404/.test(line.text())) complaints.push(line.text());
    });
    other.on("pageerror", (error) => complaints.push(String(error)));
    await other.goto(`${world.origin}${path}`, { waitUntil: "networkidle" });
    expect([...hosts]).toEqual([world.origin]);
    expect(complaints).toEqual([]);
    expect(bytes).toBeLessThan(120_000);
    await other.close();
  });

  test("can be shown", async () => {
    await page.goto(`${world.origin}${path}`);
    const kept = PICTURES ? { path: join(ROOT, PICTURES, `${name}.png`) } : {};
    const picture = await page.screenshot(kept);
    expect(picture.byteLength).toBeGreaterThan(5000);
  });
});

test("a violation would be seen", async () => {
  await page.goto(world.origin);
  await page.evaluate(`document.querySelector("main").append(document.createElement("button"))`);
  expect((await violationsOf(page)).join()).toContain("button-name");
});

describe("with the keyboard alone", () => {
  test("the first stop is the content, and every stop can be seen", async () => {
    await page.goto(`${world.origin}/r/team/storefront`);
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.className")).toBe("skip");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("content");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
  });
});

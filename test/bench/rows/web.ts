/** Pages in Debian's chromium, which has none of their files yet, of a registry with many repositories. */

import type { Browser, BrowserContext, Page } from "playwright-core";
import { fill } from "../../browser/support/content.ts";
import { PAGES } from "../../browser/support/pages.ts";
import { signIn } from "../../browser/support/session.ts";
import { launch } from "../../browser/support/world.ts";
import { send as sendAsAdmin } from "../../e2e/support/login.ts";
import { clientOf } from "../../support/client.ts";
import { indexOf } from "../../support/manifests.ts";
import type { Contenders } from "../contenders.ts";
import { repeat, send } from "../http.ts";
import type { Row } from "../runner.ts";

const REPOSITORIES = 10_000;
/** Of a folder. */
const TOGETHER = 100;
const AT_ONCE = 8;

/** What has no content here that is worth a measurement, or needs what only the tests make. */
const LEFT_OUT = ["hostile", "not-found", "layer", "user"];

export function webRows(contenders: Contenders): Row[] {
  let preparing: Promise<Browser> | null = null;
  let cookies: Awaited<ReturnType<BrowserContext["cookies"]>> = [];
  const origin = () => `http://${contenders.hostOf("Berth")}`;

  async function prepare(): Promise<void> {
    preparing ??= begin();
    await preparing;
  }

  async function begin(): Promise<Browser> {
    const client = clientOf((method, path, init = {}) =>
      sendAsAdmin(`${origin()}${path}`, { ...init, method }),
    );
    await fill(client);
    await pushMany(contenders.hostOf("Berth"));
    const browser = await launch();
    contenders.add({ stop: () => browser.close() });
    const context = await browser.newContext();
    const page = await context.newPage();
    await signIn(page, origin());
    await page.waitForURL(`${origin()}/`);
    cookies = await context.cookies();
    await context.close();
    return browser;
  }

  /** In a browser of its own, which has kept nothing. */
  async function visit(path: string): Promise<Seen> {
    const context = await ((await preparing) as Browser).newContext({ locale: "en-US" });
    await context.addCookies(cookies);
    const page = await context.newPage();
    await page.goto(`${origin()}${path}`, { waitUntil: "load" });
    const seen = await look(page);
    await context.close();
    return seen;
  }

  return [...PAGES, ["user", "/user/admin"] as const]
    .filter(([name, path]) => !LEFT_OUT.includes(name) || path === "/user/admin")
    .map(([name, path]) => {
      const row: Row = {
        ...{ name: `web-${name}`, what: path, unit: "ms", prepare },
        ways: {
          async Berth() {
            const { paintedAfter, bytes } = await visit(path);
            row.transferred = bytes;
            return paintedAfter;
          },
        },
      };
      return row;
    });
}

interface Seen {
  /** Milliseconds since the request was begun. */
  paintedAfter: number;
  /** Of the page and its files, with their headers. */
  bytes: number;
}

/** Waits for the paint, which may come after the load. By the debugger: the page itself evaluates no text. */
async function look(page: Page): Promise<Seen> {
  for (;;) {
    const seen = await page.evaluate<Seen>(`({
      paintedAfter: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
      bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .reduce((sum, { transferSize }) => sum + transferSize, 0),
    })`);
    if (seen.paintedAfter > 0) return seen;
    await page.waitForTimeout(50);
  }
}

async function pushMany(host: string): Promise<void> {
  const index = indexOf([]);
  const body = Buffer.from(JSON.stringify(index));
  const headers = { "Content-Type": index.mediaType };
  await repeat(REPOSITORIES, AT_ONCE, (number) => {
    const name = `many/${Math.floor(number / TOGETHER)}/r${number}`;
    return send(host, `/v2/${name}/manifests/latest`, { method: "PUT", body, headers });
  });
}

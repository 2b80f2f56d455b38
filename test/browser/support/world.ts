/** What a file of browser tests needs: a registry with something in it, and a browser. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { PASSWORD, send, USER } from "../../e2e/support/login.ts";
import { type Registry, startRegistry } from "../../e2e/support/registry.ts";
import { clientOf } from "../../support/client.ts";
import { fill } from "./content.ts";

export { PASSWORD, USER };

export interface World {
  registry: Registry;
  /** Like "http://127.0.0.1:41234". */
  origin: string;
  browser: Browser;
  client: ReturnType<typeof clientOf>;
  end(): Promise<void>;
}

/** Debian's chromium. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // As root, in a container: there is no sandbox to be had.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

export async function startWorld(): Promise<World> {
  const workspace = mkdtempSync(join(tmpdir(), "berth-browser-"));
  const registry = await startRegistry(workspace, undefined, [
    "PUBLIC_REPOSITORIES:library/**",
    "GRACE_PERIOD:1s",
  ]);
  const origin = `http://${registry.host}`;
  const client = clientOf((method, path, init = {}) => send(`${origin}${path}`, { ...init, method }));
  await fill(client);
  const browser = await launch();
  const end = async () => {
    await browser.close();
    await registry.service.stop();
    rmSync(workspace, { recursive: true, force: true });
  };
  return { registry, origin, browser, client, end };
}

/** The stylesheet, the script and the icon: files of the Worker, which a browser may keep for as long as it likes. */

import { createHash } from "node:crypto";
import { Hono } from "hono";
import icon from "./assets/icon.svg";
import script from "./assets/page.js";
import style from "./assets/style.css";
import type { WebEnv } from "./context.ts";

const FILES: Record<string, { type: string; text: string }> = {
  "style.css": { type: "text/css; charset=utf-8", text: style },
  "page.js": { type: "text/javascript; charset=utf-8", text: script },
  "icon.svg": { type: "image/svg+xml", text: icon },
};

/** Another one with every change of a file, so that no browser shows a page with the style of the last deploy. */
const VERSION = createHash("sha256")
  .update(JSON.stringify([style, script, icon]))
  .digest("hex")
  .slice(0, 12);

/** Where a page finds one. */
export function assetPath(name: "style.css" | "page.js" | "icon.svg"): string {
  return `/assets/${VERSION}/${name}`;
}

/** All of them together. Bytes. */
export const ASSETS_SIZE = Object.values(FILES).reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);

export const assets = new Hono<WebEnv>();

// GET /assets/<version>/<name>
assets.get("/assets/:version/:name", (c) => {
  const name = c.req.param("name");
  const file = Object.hasOwn(FILES, name) ? FILES[name] : undefined;
  if (file === undefined || c.req.param("version") !== VERSION) return c.notFound();
  c.header("Cache-Control", "public, max-age=31536000, immutable");
  return c.body(file.text, 200, { "Content-Type": file.type });
});

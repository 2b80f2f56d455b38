/** What every page has in common: headers, languages, files, errors, and that the registry knows nothing of it. */

import { describe, expect, test } from "vitest";
import { ASSETS_SIZE } from "../../src/web/assets.ts";
import { chooseLanguage, formatAge, formatBytes, formatDays } from "../../src/web/language.ts";
import { english } from "../../src/web/texts/english.ts";
import { german } from "../../src/web/texts/german.ts";
import { Browser, textOfPage } from "../support/browser.ts";
import { breakAll, healAll } from "../support/faults.ts";
import { codesOf, request } from "../support/registry.ts";

describe("headers", () => {
  test.each(["/", "/sign-in", "/nowhere", "/assets/0/style.css", "/r/a/b"])(
    "%s runs nothing inline, is in no frame, and is not kept",
    async (path) => {
      const { headers } = await new Browser().get(path);
      const policy = headers.get("Content-Security-Policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
      expect(headers.get("X-Frame-Options")).toBe("DENY");
      expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(headers.get("Strict-Transport-Security")).toContain("max-age");
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(headers.get("Docker-Distribution-Api-Version")).toBeNull();
    },
  );

  test("nothing inline is in a page", async () => {
    for (const path of ["/", "/sign-in", "/nowhere"]) {
      const { html } = await new Browser().get(path);
      expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script>|javascript:/i);
      expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    }
  });
});

describe("the registry", () => {
  test("keeps its headers and its errors below /v2", async () => {
    for (const path of ["/v2/", "/v2", "/v2/none/such/path"]) {
      const response = await request("GET", path);
      expect(response.headers.get("Docker-Distribution-Api-Version")).toBe("registry/2.0");
      expect(response.headers.get("Content-Security-Policy")).toContain("sandbox");
    }
    expect(await codesOf(await request("GET", "/v2/nowhere"))).toEqual(["UNSUPPORTED"]);
  });

  test("takes no password where the pages are", async () => {
    const page = await (await request("GET", "/")).text();
    expect(page).toContain(">Sign in</a>");
  });
});

describe("files", () => {
  test("are few, small, and kept for ever under a name that changes with them", async () => {
    const { html } = await new Browser().get("/");
    const paths = [...html.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? "");
    expect(new Set(paths).size).toBe(3);
    for (const path of paths) {
      const file = await new Browser().get(path);
      expect([path, file.status]).toEqual([path, 200]);
      expect(file.headers.get("Cache-Control")).toContain("immutable");
      expect(file.html.length).toBeGreaterThan(100);
    }
    expect(ASSETS_SIZE).toBeLessThan(60_000);
  });

  test.each(["/assets/0/style.css", "/assets/x/constructor", "/assets/../wrangler.toml"])(
    "%s is none",
    async (path) => {
      expect((await new Browser().get(path)).status).toBe(404);
    },
  );
});

describe("languages", () => {
  test.each([
    [undefined, "en"],
    ["de", "de"],
    ["de-AT,de;q=0.9,en;q=0.5", "de"],
    ["en;q=0.4, de;q=0.8", "de"],
    ["fr, de;q=0.1", "de"],
    ["de;q=0, en", "en"],
    ["fr", "en"],
    ["constructor", "en"],
    [`${"x,".repeat(10_000)}de`, "en"],
    ["de;q=x", "de"],
  ])("%j is answered in %s", async (header, language) => {
    expect(chooseLanguage(header)).toBe(language);
  });

  test("a page says which it is in", async () => {
    const page = await new Browser({ "Accept-Language": "de-DE" }).get("/sign-in");
    expect(page.html).toContain('<html lang="de">');
    expect(page.headers.get("Vary")).toContain("Accept-Language");
    expect(textOfPage(page)).toContain("Passwort oder Maschinentoken");
  });

  test("each says everything, and not the same", () => {
    const same = Object.entries(english).filter(
      ([key, text]) => typeof text === "string" && german[key as keyof typeof german] === text,
    );
    // What is called the same.
    expect(same.map(([key]) => key).sort()).toEqual(SAME);
  });

  test("write sizes and ages", () => {
    expect(formatBytes(0, "en")).toBe("0 B");
    expect(formatBytes(999, "en")).toBe("999 B");
    expect(formatBytes(3_449_000, "en")).toBe("3.4 MB");
    expect(formatBytes(3_449_000, "de")).toBe("3,4 MB");
    expect(formatBytes(2e18, "en")).toBe("2,000 PB");
    expect(formatAge(0, 3 * 86_400_000, "en")).toBe("3 days ago");
    expect(formatAge(0, 3 * 86_400_000, "de")).toBe("vor 3 Tagen");
    expect(formatAge(0, 0, "en")).toBe("now");
    expect(formatDays(1e9 - 3_600_000, 1e9, "en")).toBe("today");
    expect(formatDays(1e9 - 80_000_000, 1e9, "de")).toBe("gestern");
    expect(formatDays(0, 70 * 86_400_000, "en")).toBe("2 months ago");
  });
});

/** Keys of texts that are the same in every language. */
const SAME = ["manifest", "name", "tags"];

describe("errors", () => {
  test("are pages that say what is wrong", async () => {
    const page = await new Browser().get("/nowhere");
    expect(page.status).toBe(404);
    expect(page.headers.get("Content-Type")).toContain("text/html");
    expect(textOfPage(page)).toContain("Not found");
  });

  test("a store that is away is no error of ours", async () => {
    breakAll("DB.query", "before");
    const page = await new Browser().get("/").finally(healAll);
    expect([page.status, page.headers.get("Retry-After")]).toEqual([503, "5"]);
    expect(textOfPage(page)).toContain("Not available now");
  });

  test.each(["PUT", "DELETE", "POST", "PATCH"])("%s / is no page", async (method) => {
    expect((await new Browser().send(method, "/", { body: "x" })).status).toBe(404);
  });
});

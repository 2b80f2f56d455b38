/** One image: what it is made of, what refers to it, what differs, and that nothing in it becomes a part of the page. */

import { describe, expect, test } from "vitest";
import { Browser, linksOf, textOfPage } from "../support/browser.ts";
import { digestOfManifest, imageOf, indexOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { measure } from "../support/meter.ts";
import { pushBlob, putManifest, sha256 } from "../support/registry.ts";
import { addUser } from "../support/users.ts";
import { CONFIG_JSON, pushShown, XSS } from "./images.ts";

describe("an image", () => {
  test("shows its layers, what made them, and how it is run", async () => {
    const digest = await pushShown("app", "v1");
    const browser = await Browser.signedIn("admin");
    const page = await browser.get("/image/app/v1");
    const text = textOfPage(page);
    expect(text).toContain(digest);
    expect(text).toMatch(/1 2 kB ADD file:base in \//);
    expect(text).toMatch(/2 550 B RUN apt-get install app/);
    for (const part of [
      "linux/arm64",
      'Entrypoint ["/bin/app","--serve"]',
      "MODE=production",
      "80/tcp",
      "Runs as app",
    ])
      expect(text).toContain(part);
    expect(text).toContain(`docker pull registry.test/app:v1 `);
    expect(text).toContain(`docker pull registry.test/app@${digest}`);
    expect(linksOf(page)).toContain("https://example.test/app");
    expect((await browser.get(`/image/app/${digest}`)).status).toBe(200);
    const raw = await browser.get(`/raw/app/${digest}`);
    expect([sha256(raw.html), raw.headers.get("Content-Type")]).toEqual([
      digest,
      "text/plain; charset=utf-8",
    ]);
  });

  test("costs a few queries and one object", async () => {
    await pushShown("app", "v1");
    const browser = await Browser.signedIn("admin");
    const costs = await measure(() => browser.get("/image/app/v1"));
    expect(costs).toMatchObject({ r2: { get: 1 }, rowsWritten: 0, durableObjects: 0 });
    expect(costs.queries).toBeLessThanOrEqual(6);
    expect(costs.rowsRead).toBeLessThan(60);
  });

  test("says where else a layer is, as far as the caller may know", async () => {
    for (const name of ["app", "other", "secret"]) await pushShown(name, "v1");
    await addUser("alice", { access: [{ repositories: ["app", "other"], actions: ["pull"] }] });
    const page = await (await Browser.signedIn("alice")).get("/image/app/v1");
    expect(linksOf(page)).toContain("/r/other");
    expect(page.html).not.toContain("secret");
  });

  test("that is an index leads to its platforms", async () => {
    const digest = await pushShown("app", "v1");
    const child = {
      ...manifestDescriptor(imageOf("x", [])),
      digest,
      platform: { os: "linux", architecture: "arm64" },
    };
    const odd = { ...child, platform: { os: 1, architecture: [] } };
    await putManifest("app", "multi", indexOf([], { manifests: [child, odd] }));
    const page = await (await Browser.signedIn("admin")).get("/image/app/multi");
    expect(textOfPage(page)).toContain("linux/arm64");
    expect(linksOf(page)).toContain(`/image/app/${digest}`);
  });

  test("has what refers to it as a tree", async () => {
    const digest = await pushImage("app", "v1", "config", []);
    const sbom = imageOf("config", [], {
      subject: manifestDescriptor(imageOf("config", [])),
      artifactType: "application/spdx+json",
    });
    const signature = imageOf("config", [], {
      subject: manifestDescriptor(sbom),
      artifactType: "application/vnd.cncf.notary.signature",
    });
    for (const manifest of [sbom, signature]) await putManifest("app", digestOfManifest(manifest), manifest);
    const page = await (await Browser.signedIn("admin")).get(`/image/app/${digest}`);
    expect(page.html).toMatch(/<ul class="tree"><li>.*spdx.*<ul class="tree"><li>.*notary/s);
    expect(textOfPage(page)).toMatch(/Attached SBOM/);
  });

  test.each([
    "[]",
    "null",
    "not JSON",
    '{"config": [], "history": {}, "os": 5}',
    '{"config": {"Env": "x", "Labels": [1], "ExposedPorts": "80", "Entrypoint": {"a": 1}}, "history": [1, null, {"created_by": 5}]}',
  ])("whose configuration is odd is shown without it: %j", async (config) => {
    await pushImage("app", "odd", config, ["layer"]);
    const page = await (await Browser.signedIn("admin")).get("/image/app/odd");
    expect(page.status).toBe(200);
    expect(textOfPage(page)).toContain("Layers");
  });

  test("that is large is shown as well", async () => {
    await pushImage("app", "large", "config", [], { padding: "x".repeat(1_500_000) });
    const page = await (await Browser.signedIn("admin")).get("/image/app/large");
    expect(page.status).toBe(200);
    expect(page.html.length).toBeLessThan(100_000);
  });
});

describe("what an image says of itself", () => {
  test("never becomes a part of the page", async () => {
    const config = {
      ...CONFIG_JSON,
      author: XSS,
      config: {
        ...{
          User: XSS,
          Entrypoint: [XSS],
          Env: [`A=${XSS}`],
          Labels: { [XSS]: XSS, link: "javascript:alert(1)" },
        },
        ExposedPorts: { [XSS]: {} },
      },
      history: [{ created_by: XSS }, { created_by: XSS }],
    };
    const readme = `# ${XSS}\n\n[click](javascript:alert(1)) ![x](data:text/html,x) <b>bold</b> **${XSS}**\n\n\`\`\`\n${XSS}\n\`\`\`\n- [ok](https://example.test/) ${XSS}`;
    const annotations = { [XSS]: XSS, "com.example.readme": readme };
    await pushShown("app", "v1", { annotations, artifactType: XSS }, config);
    const browser = await Browser.signedIn("admin");
    await pushShown("app", "v2");
    const paths = ["/r/app", "/image/app/v1", "/compare/app?tag=v1&tag=v2"];
    for (const path of [
      ...paths,
      `/r/app?q=${encodeURIComponent(XSS)}`,
      `/sign-in?to=${encodeURIComponent(XSS)}`,
    ]) {
      const page = await browser.get(path);
      expect([path, page.status]).toEqual([path, 200]);
      expect(page.html).not.toMatch(/<script>|<img src=x|<b>|href="(?!\/|https:|#)/);
      expect(page.html.match(/<script/g)).toHaveLength(1);
    }
    const page = await browser.get("/image/app/v1");
    expect(linksOf(page)).toContain("https://example.test/");
    expect(page.html).toContain("<h3>");
  });

  test("in a README takes no time, whatever it is", async () => {
    const hostile = [
      "*".repeat(50_000),
      "[".repeat(50_000),
      "`".repeat(50_001),
      "[a](".repeat(10_000),
      "- ".repeat(20_000),
    ];
    const browser = await Browser.signedIn("admin");
    await pushBlob("app", "config");
    for (const [index, readme] of hostile.entries()) {
      await putManifest("app", `v${index}`, imageOf("config", [], { annotations: { readme } }));
      const began = performance.now();
      expect((await browser.get(`/image/app/v${index}`)).status).toBe(200);
      expect(performance.now() - began).toBeLessThan(3000);
    }
  });
});

describe("a comparison", () => {
  test("says which layers and settings differ", async () => {
    await pushShown("app", "v1");
    const config = { ...CONFIG_JSON, config: { ...CONFIG_JSON.config, User: "root", Env: ["PATH=/bin"] } };
    await pushShown("app", "v2", {}, config);
    const browser = await Browser.signedIn("admin");
    const text = textOfPage(await browser.get("/compare/app?tag=v1&tag=v2"));
    expect(text).toMatch(/in both 2 kB ADD file:base/);
    expect(text).toMatch(/only in v1 550 B/);
    expect(text).toMatch(/only in v2 550 B/);
    expect(text).toContain("USER app root");
    expect(text).toContain("ENV MODE production nothing");
    expect(text).not.toContain("WORKDIR");
    expect(textOfPage(await browser.get("/compare/app?tag=v1&tag=v1"))).toContain("Both are the same image.");
  });

  test.each(["", "?tag=v1", "?tag=v1&tag=none", "?tag=%21&tag=v1"])(
    "of less than two is none: %j",
    async (query) => {
      await pushShown("app", "v1");
      const page = await (await Browser.signedIn("admin")).get(`/compare/app${query}`);
      expect([400, 404]).toContain(page.status);
    },
  );
});

import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { OCI_INDEX } from "../../src/oci/media-types.ts";
import { CONFIG, imageOf, indexOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { codesOf, pushBlob, putManifest, request, sha256 } from "../support/registry.ts";

const ABSENT = `sha256:${"0".repeat(64)}`;

async function json(path: string) {
  const response = await request("GET", path);
  return {
    status: response.status,
    link: response.headers.get("Link"),
    body: (await response.json()) as never,
  };
}

describe("end-8: tags/list", () => {
  async function pushTags(...tags: string[]): Promise<void> {
    await pushBlob("a", "config");
    const query = tags.map((tag) => `tag=${tag}`).join("&");
    const manifest = imageOf("config", []);
    await putManifest("a", `${sha256(JSON.stringify(manifest))}?${query}`, manifest);
  }

  test("in ASCII order, without Link on the last page", async () => {
    await pushTags("b", "B", "a", "_", "a-1", "a.1", "1", "a1");
    expect(await json("/v2/a/tags/list")).toEqual({
      status: 200,
      link: null,
      body: { name: "a", tags: ["1", "B", "_", "a", "a-1", "a.1", "a1", "b"] },
    });
  });

  test("in pages: n, last exclusive, Link while more follow", async () => {
    await pushTags("v1", "v10", "v2");
    const first = await json("/v2/a/tags/list?n=2");
    expect(first.body).toEqual({ name: "a", tags: ["v1", "v10"] });
    expect(first.link).toBe('</v2/a/tags/list?n=2&last=v10>; rel="next"');
    const second = await json("/v2/a/tags/list?n=2&last=v10");
    expect([second.body, second.link]).toEqual([{ name: "a", tags: ["v2"] }, null]);
    expect((await json("/v2/a/tags/list?n=3")).link).toBe(null);
    expect((await json("/v2/a/tags/list?last=v100")).body).toEqual({ name: "a", tags: ["v2"] });
    expect((await json("/v2/a/tags/list?last=zzz")).body).toEqual({ name: "a", tags: [] });
  });

  test("n=0 is an empty list without Link; a huge n is fine", async () => {
    await pushTags("v1");
    expect(await json("/v2/a/tags/list?n=0")).toEqual({
      status: 200,
      link: null,
      body: { name: "a", tags: [] },
    });
    expect((await json("/v2/a/tags/list?n=99999999999999999999")).body).toEqual({ name: "a", tags: ["v1"] });
  });

  test.each(["-1", "1.5", "x", "", "1e3", "0x1", "%00", " 1"])("n=%j is 400", async (n) => {
    for (const path of ["/v2/a/tags/list", "/v2/_catalog"]) {
      const response = await request("GET", `${path}?n=${n}`);
      expect([response.status, await codesOf(response)]).toEqual([400, ["UNSUPPORTED"]]);
    }
  });

  test("unknown repository is 404; one whose tags are all gone is an empty list", async () => {
    const response = await request("GET", "/v2/b/tags/list");
    expect([response.status, await codesOf(response)]).toEqual([404, ["NAME_UNKNOWN"]]);
    await pushTags("v1");
    await request("DELETE", "/v2/a/manifests/v1");
    expect((await json("/v2/a/tags/list")).body).toEqual({ name: "a", tags: [] });
  });
});

describe("Docker's catalog", () => {
  test("repositories that hold a manifest, in ASCII order, in pages", async () => {
    for (const name of ["b", "a/b", "a-b", "a"]) await pushImage(name, "latest", "config", []);
    await pushBlob("only-blobs", "config");
    expect((await json("/v2/_catalog")).body).toEqual({ repositories: ["a", "a-b", "a/b", "b"] });
    const page = await json("/v2/_catalog?n=2&last=a");
    expect(page.body).toEqual({ repositories: ["a-b", "a/b"] });
    expect(page.link).toBe('</v2/_catalog?n=2&last=a%2Fb>; rel="next"');
    expect((await json("/v2/_catalog?n=2&last=a%2Fb")).body).toEqual({ repositories: ["b"] });
    expect((await json("/v2/_catalog?n=0")).body).toEqual({ repositories: [] });
  });

  test("an empty registry is an empty list", async () => {
    expect((await json("/v2/_catalog")).body).toEqual({ repositories: [] });
  });
});

describe("end-12: referrers", () => {
  const subject = manifestDescriptor(imageOf("config", []));

  async function refer(fields: object, config = "config"): Promise<string> {
    return pushImage("a", null, config, [], { subject, ...fields });
  }

  async function referrers(query = "") {
    const response = await request("GET", `/v2/a/referrers/${subject.digest}${query}`);
    expect(response.headers.get("Content-Type")).toBe(OCI_INDEX);
    const { manifests } = (await response.json()) as { manifests: Record<string, unknown>[] };
    return { response, manifests };
  }

  test("an empty index for whatever has none: 200 with a list, never 404", async () => {
    for (const name of ["a", "unknown/repository"]) {
      const { status, body } = await json(`/v2/${name}/referrers/${ABSENT}`);
      expect([status, body]).toEqual([200, { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }]);
    }
  });

  test("artifactType from the manifest, else an image's config type, else none; annotations copied", async () => {
    const annotations = { "org.example": "x" };
    const own = await refer({ artifactType: "application/sbom", annotations });
    const fromConfig = await refer({});
    const index = indexOf([], { subject });
    await putManifest("a", sha256(JSON.stringify(index)), index);
    const { manifests } = await referrers();
    const byDigest = new Map(manifests.map((descriptor) => [descriptor.digest, descriptor]));
    expect(byDigest.get(own)).toMatchObject({ artifactType: "application/sbom", annotations });
    expect(byDigest.get(fromConfig)?.artifactType).toBe(CONFIG);
    expect(byDigest.get(fromConfig)).not.toHaveProperty("annotations");
    expect(byDigest.get(sha256(JSON.stringify(index)))).toEqual(manifestDescriptor(index));
  });

  test("filtered by artifactType, and says so", async () => {
    const sbom = await refer({ artifactType: "application/sbom" });
    await refer({ artifactType: "application/signature" });
    const { response, manifests } = await referrers("?artifactType=application/sbom");
    expect(response.headers.get("OCI-Filters-Applied")).toBe("artifactType");
    expect(manifests.map(({ digest }) => digest)).toEqual([sbom]);
    expect((await referrers("?artifactType=none")).manifests).toEqual([]);
    expect((await referrers()).response.headers.get("OCI-Filters-Applied")).toBe(null);
  });

  test("only of this repository, and gone when deleted", async () => {
    const digest = await refer({});
    expect((await json(`/v2/b/referrers/${subject.digest}`)).body).toMatchObject({ manifests: [] });
    await request("DELETE", `/v2/a/manifests/${digest}`);
    expect((await referrers()).manifests).toEqual([]);
  });

  test("stay listed when the subject comes and goes", async () => {
    const digest = await refer({});
    await pushImage("a", null, "config", []);
    await request("DELETE", `/v2/a/manifests/${subject.digest}`);
    expect((await referrers()).manifests.map((descriptor) => descriptor.digest)).toEqual([digest]);
  });

  test("annotations too large for a row are read from the manifest, inline or in R2", async () => {
    for (const size of [5_000, 1_500_000]) {
      const annotations = { big: "x".repeat(size) };
      const digest = await refer({ annotations });
      const found = (await referrers()).manifests.find((descriptor) => descriptor.digest === digest);
      expect(found?.annotations).toEqual(annotations);
    }
  });

  test("in pages with Link before a page exceeds the manifest limit", async () => {
    const pushed = new Set<string>();
    for (const letter of "abüd")
      pushed.add(await refer({ annotations: { big: letter.repeat(letter === "ü" ? 750_000 : 1_500_000) } }));
    const seen = new Set<unknown>();
    let pages = 0;
    for (
      let path: string | undefined = `/v2/a/referrers/${subject.digest}?artifactType=${CONFIG}`;
      path;
      pages++
    ) {
      const response = await request("GET", path);
      expect(response.headers.get("OCI-Filters-Applied")).toBe("artifactType");
      const text = await response.text();
      expect(new TextEncoder().encode(text).byteLength).toBeLessThanOrEqual(4 * 1024 * 1024);
      for (const { digest } of JSON.parse(text).manifests) seen.add(digest);
      path = /<(.*)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
    }
    expect([pages, seen]).toEqual([2, pushed]);
  });

  test("a malformed digest is 400", async () => {
    for (const digest of ["latest", "sha256:x", "md5:x"]) {
      const response = await request("GET", `/v2/a/referrers/${digest}`);
      expect([response.status, await codesOf(response)]).toEqual([400, ["DIGEST_INVALID"]]);
    }
  });
});

describe("extensions", () => {
  test("are listed; unknown query parameters are ignored", async () => {
    const { body } = await json("/v2/_oci/ext/discover?ns=docker.io&foo=bar");
    expect((body as { extensions: { name: string }[] }).extensions.map(({ name }) => name)).toContain("_oci");
    await pushImage("a", "latest", "config", []);
    expect((await request("GET", "/v2/a/manifests/latest?ns=docker.io")).status).toBe(200);
  });
});

test("tags that are prefixes of one another are pages of their own", async () => {
  await pushImage("a", "v", "config", []);
  for (const tag of ["v1", "v11", "v1.1"]) await pushImage("a", tag, "config", []);
  let seen: string[] = [];
  for (let path: string | undefined = "/v2/a/tags/list?n=1"; path; ) {
    const response = await request("GET", path);
    seen = seen.concat(((await response.json()) as { tags: string[] }).tags);
    path = /<(.*)>/.exec(response.headers.get("Link") ?? "")?.[1];
  }
  expect(seen).toEqual(["v", "v1", "v1.1", "v11"]);
  expect((await env.DB.prepare("SELECT count(*) AS n FROM tags").first<{ n: number }>())?.n).toBe(4);
});

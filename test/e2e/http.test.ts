/** What the HTTP server in front of the Worker must not spoil. */

import { get, type IncomingMessage, request } from "node:http";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import {
  closeUpload,
  headManifest,
  patchUpload,
  pushBlob,
  putManifest,
  sha256,
  startUpload,
} from "./support/api.ts";
import { AUTHORIZATION, send } from "./support/login.ts";
import { host, itLeavesACleanLog } from "./support/shared.ts";

const name = "http/image";
const port = Number(host.split(":")[1]);
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** The answer as it comes, with the headers that fetch would hide. */
function getBlob(digest: string, more: Record<string, string>): Promise<IncomingMessage> {
  const headers = { ...more, Authorization: AUTHORIZATION };
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, path: `/v2/${name}/blobs/${digest}`, headers }, resolve).once(
      "error",
      reject,
    );
  });
}

describe("docker's question whether the port speaks TLS", () => {
  it("is answered or refused at once, so that docker goes on with plain HTTP", async () => {
    // wrangler 4.124 left it without an answer, which made every docker command take 10 seconds longer.
    const started = Date.now();
    const refused = await new Promise<boolean>((resolve) => {
      const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => resolve(false));
      socket.once("error", () => resolve(true));
      socket.once("end", () => resolve(true));
    });
    expect(refused).toBe(true);
    expect(Date.now() - started).toBeLessThan(3000);
  });
});

describe("what wrangler would serve beside the registry", () => {
  it.each([
    "/cdn-cgi/explorer",
    "/cdn-cgi/local/explorer",
    "/cdn-cgi/explorer/api/storage/kv/namespaces/USERS/values/admin",
    "/cdn-cgi/local/explorer/api/storage/kv/namespaces/USERS/values/admin",
  ])("is switched off: %s", async (path) => {
    const response = await fetch(`http://${host}${path}`);
    expect(response.status).toBe(404);
    expect(await response.text()).not.toContain("$2");
  });
});

describe("a client that accepts gzip", () => {
  // Well compressible, and of a type that servers like to compress.
  const content = "a line that repeats itself\n".repeat(2000);
  let blob = "";
  let manifest = "";

  beforeAll(async () => {
    const layer = await pushBlob(host, name, content);
    const config = await pushBlob(host, name, "{}");
    blob = layer.digest;
    const annotations = { "org.example.padding": "x".repeat(5000) };
    const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer], annotations };
    await putManifest(host, name, "1", image);
    manifest = JSON.stringify(image);
    expect(gzipSync(manifest).byteLength).toBeLessThan(manifest.length);
  });

  async function ask(
    method: "GET" | "HEAD",
    path: string,
  ): Promise<{ answer: IncomingMessage; length: number }> {
    const headers = { "Accept-Encoding": "gzip, br, zstd" };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request(
        {
          host: "127.0.0.1",
          port,
          method,
          path: `/v2/${name}/${path}`,
          headers: { ...headers, Authorization: AUTHORIZATION },
        },
        resolve,
      )
        .once("error", reject)
        .end();
    });
    let length = 0;
    for await (const bytes of answer) length += (bytes as Buffer).byteLength;
    return { answer, length };
  }

  it.each(["manifests/1", "blob"])("gets %s uncompressed, with its Content-Length", async (what) => {
    const path = what === "blob" ? `blobs/${blob}` : what;
    const size = what === "blob" ? content.length : manifest.length;
    for (const method of ["GET", "HEAD"] as const) {
      const { answer, length } = await ask(method, path);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers).toMatchObject({ "content-length": String(size) });
      expect(answer.headers).not.toHaveProperty("content-encoding");
      expect(length).toBe(method === "GET" ? size : 0);
    }
  });

  it("gets a range of a blob with its exact length", async () => {
    const answer = await getBlob(blob, { "Accept-Encoding": "gzip", Range: "bytes=1000-" });
    answer.resume();
    expect(answer.statusCode).toBe(206);
    expect(answer.headers).toMatchObject({
      "content-length": String(content.length - 1000),
      "content-range": `bytes 1000-${content.length - 1}/${content.length}`,
    });
  });
});

describe("a blob that came in parts", () => {
  const content = Buffer.alloc(20_000_000, "parts");
  const digest = sha256(content);

  it.each([
    ["whole", undefined, content.length],
    ["in a range over several parts", "bytes=5-9000004", 9_000_000],
  ])("is read %s with its Content-Length", async (_, range, length) => {
    const location = await startUpload(host, name);
    await patchUpload(host, location, content, 0);
    await closeUpload(host, location, digest);
    const answer = await getBlob(digest, range === undefined ? {} : { Range: range });
    expect(answer.headers).toMatchObject({ "content-length": String(length) });
    let read = 0;
    for await (const bytes of answer) read += (bytes as Buffer).byteLength;
    expect(read).toBe(length);
  });
});

describe("an answer to HEAD", () => {
  it("has the length of what GET would answer", async () => {
    const { length } = await headManifest(host, name, "1");
    const answer = await send(`http://${host}/v2/${name}/manifests/1`);
    expect((await answer.text()).length).toBe(length);
  });

  itLeavesACleanLog();
});

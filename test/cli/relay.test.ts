/** The relay between raw HTTP requests, as the real clients send them, and a registry that fails on demand. */

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingMessage, type OutgoingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRelay } from "../../src/cli/relay/server.ts";
import { openUpstream } from "../../src/cli/relay/upstream.ts";
import { sha256 } from "../support/content.ts";
import { answer, cut, faultAfter, limitBody, MemoryRegistry, refuse } from "./support/memory-registry.ts";

const KiB = 1024;
const content = randomBytes(1000 * KiB);
const digest = sha256(content);
let registry: MemoryRegistry;
let relay: Server;
const log: string[] = [];

beforeEach(async () => {
  registry = await new MemoryRegistry().listen();
  log.length = 0;
  relay = createRelay(openUpstream(registry.origin), {
    chunk: 300 * KiB,
    maxBody: 1000 * KiB,
    pauses: [1, 1, 1],
    log: (line) => log.push(line),
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
});
afterEach(() => {
  relay.closeAllConnections();
  relay.close();
  registry.close();
});

interface Response {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** @param body in pieces; with its length told in the headers, or not */
async function send(
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body: Iterable<Uint8Array> = [],
): Promise<Response> {
  const { port } = relay.address() as AddressInfo;
  const request = http.request({ host: "127.0.0.1", port, method, path, headers, agent: false });
  request.on("error", () => {});
  const responded = once(request, "response");
  for (const piece of body) request.write(piece);
  request.end();
  const [response] = (await responded) as [IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
}

async function begin(): Promise<string> {
  const { headers } = await send("POST", "/v2/app/blobs/uploads/", { "Content-Length": 0 });
  return headers.location ?? "";
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
}

const known = { "Content-Length": content.length };

describe("an upload", () => {
  test.each<[string, OutgoingHttpHeaders]>([
    ["of unknown length", {}],
    ["of known length", known],
    ["after Expect: 100-continue", { ...known, Expect: "100-continue" }],
  ])("in one PATCH %s goes upstream in chunks, and its Range is the total", async (_, headers) => {
    const patched = await send("PATCH", await begin(), headers, pieces(content));
    expect(patched).toMatchObject({ status: 202, headers: { range: "0-1023999", "content-length": "0" } });
    expect(registry.requests("PATCH")).toHaveLength(4);

    const closed = await send("PUT", `${patched.headers.location}?digest=${digest}`, { "Content-Length": 0 });
    expect(closed).toMatchObject({ status: 201, headers: { "docker-content-digest": digest } });
    expect(registry.blobs.get(digest)).toEqual(content);
  });

  test("in one PUT becomes chunks and a closing PUT", async () => {
    const closed = await send("PUT", `${await begin()}?digest=${digest}`, known, pieces(content));
    expect(closed).toMatchObject({ status: 201, headers: { "docker-content-digest": digest } });
    expect(registry.requests("PATCH")).toHaveLength(4);
    expect(registry.blobs.get(digest)).toEqual(content);
  });

  test("in one PUT that comes again whole, goes on from what upstream has", async () => {
    const location = `${await begin()}?digest=${digest}`;
    registry.fault = faultAfter("PATCH", 2, answer(403));
    expect((await send("PUT", location, known, pieces(content))).status).toBe(403);
    registry.fault = () => false;
    expect((await send("PUT", location, known, pieces(content))).status).toBe(201);
    expect(registry.blobs.get(digest)).toEqual(content);
  });

  test("in a PATCH and a PUT with the rest is put together", async () => {
    const location = await begin();
    await send("PATCH", location, { "Content-Length": 1000 }, [content.subarray(0, 1000)]);
    const rest = content.subarray(1000);
    const closed = await send("PUT", `${location}?digest=${digest}`, { "Content-Length": rest.length }, [
      rest,
    ]);
    expect(closed.status).toBe(201);
  });

  test("in one POST gets a session upstream", async () => {
    const closed = await send("POST", `/v2/app/blobs/uploads/?digest=${digest}`, known, pieces(content));
    expect(closed.status).toBe(201);
    expect(registry.blobs.get(digest)).toEqual(content);
  });

  test("of one small body stays one request", async () => {
    const small = content.subarray(0, 10);
    await send("PUT", `${await begin()}?digest=${sha256(small)}`, { "Content-Length": 10 }, [small]);
    expect(registry.requests("PATCH")).toEqual([]);
    expect(registry.blobs.get(sha256(small))).toEqual(small);
  });

  test("without bytes works", async () => {
    const empty = Buffer.alloc(0);
    const patched = await send("PATCH", await begin(), { "Content-Length": 0 });
    expect(patched).toMatchObject({ status: 202, headers: { range: "0-0" } });
    const closed = await send("PUT", `${patched.headers.location}?digest=${sha256(empty)}`);
    expect(closed.status).toBe(201);
  });

  test("goes where upstream says, by full URLs with a state, while the client talks to the relay", async () => {
    registry.absolute = true;
    const location = await begin();
    expect(location).toMatch(/^\/v2\/app\/blobs\/uploads\/.*\?state=0$/);
    const patched = await send("PATCH", location, {}, pieces(content));
    const closed = await send("PUT", `${patched.headers.location}&digest=${digest}`);
    expect(closed.status).toBe(201);
  });

  test("honours the chunk lengths that upstream asks for", async () => {
    registry.limits = { "OCI-Chunk-Max-Length": "100000" };
    await send("PATCH", await begin(), {}, pieces(content));
    expect(registry.requests("PATCH")).toHaveLength(11);
  });

  test("carries the client's credentials with every chunk, and none of its framing", async () => {
    const seen: (string | undefined)[] = [];
    registry.fault = ({ headers, method }) => {
      if (method === "PATCH") seen.push(headers.authorization, headers.expect, headers["transfer-encoding"]);
      return false;
    };
    await send("PATCH", await begin(), { Authorization: "Basic eDp5" }, pieces(content));
    expect(seen).toEqual(Array(4).fill(["Basic eDp5", undefined, undefined]).flat());
  });
});

describe("a fault upstream", () => {
  test("that passes is not seen by the client", async () => {
    const location = await begin();
    const faults = [cut, answer(502), limitBody(100 * KiB), answer(503)];
    let count = 0;
    registry.fault = (request, response) => {
      count += 1;
      return count % 2 === 0 ? (faults.shift()?.(request, response) ?? false) : false;
    };
    expect((await send("PATCH", location, {}, pieces(content))).headers.range).toBe("0-1023999");
    expect((await send("PUT", `${location}?digest=${digest}`)).status).toBe(201);
    expect(registry.blobs.get(digest)).toEqual(content);
    expect(log).toContainEqual(expect.stringMatching(/^app: .*; trying again in/));
  });

  test("that stays is passed on as it is, before the body has ended", async () => {
    const location = await begin();
    registry.fault = faultAfter("GET", 0, (_, response) => {
      refuse(response, 401, "UNAUTHORIZED", { "WWW-Authenticate": 'Basic realm="x"' });
      return true;
    });
    const refused = await send("PATCH", location, { "Content-Length": 2 * content.length }, [content]);
    expect(refused).toMatchObject({ status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
    expect(refused.body).toContain("UNAUTHORIZED");
  });

  test("of the connection is a 502 that says so", async () => {
    const location = await begin();
    registry.close();
    const failed = await send("PATCH", location, {}, pieces(content));
    expect(failed.status).toBe(502);
    expect(JSON.parse(failed.body).errors[0].message).toMatch(/^berth relay: 127.0.0.1:\d+: .*ECONNREFUSED/);
  });

  test("that a chunk out of order is, leaves the session alive", async () => {
    const location = await begin();
    const refused = await send("PATCH", location, { "Content-Length": 5, "Content-Range": "5-9" }, [
      Buffer.alloc(5),
    ]);
    expect(refused).toMatchObject({ status: 416, headers: { range: "0-0", location } });
    expect((await send("PATCH", location, {}, [content])).status).toBe(202);
  });

  test("never makes a malformed Content-Range a crash", async () => {
    const refused = await send("PATCH", await begin(), { "Content-Range": "nonsense", "Content-Length": 1 }, [
      Buffer.alloc(1),
    ]);
    expect(refused.status).toBe(400);
  });
});

test("a client that vanishes leaves upstream with what it sent", async () => {
  const location = await begin();
  const { port } = relay.address() as AddressInfo;
  const request = http.request({ host: "127.0.0.1", port, method: "PATCH", path: location, headers: known });
  request.on("error", () => {});
  request.write(content.subarray(0, 400 * KiB));
  await expect.poll(() => [...registry.sessions.values()][0]?.bytes.length).toBeGreaterThanOrEqual(300 * KiB);
  request.destroy();
  await sleep(50);
  expect(log).toEqual([]);
  expect(registry.sessions.size).toBe(1);
});

describe("everything else", () => {
  test("is passed through, both ways, as it is", async () => {
    registry.fault = ({ headers, url, method }, response) => {
      const { host, authorization, accept } = headers;
      response.writeHead(207, {
        "X-Seen": JSON.stringify({ host, authorization, accept, url, method }),
        Link: "<a>",
      });
      response.end("body");
      return true;
    };
    const { status, headers, body } = await send("GET", "/v2/app/tags/list?n=1&last=%2F", {
      Authorization: "Bearer t",
      Accept: "a/b",
    });
    expect({ status, body, link: headers.link }).toEqual({ status: 207, body: "body", link: "<a>" });
    expect(JSON.parse(String(headers["x-seen"]))).toEqual({
      host: new URL(registry.origin).host,
      authorization: "Bearer t",
      accept: "a/b",
      url: "/v2/app/tags/list?n=1&last=%2F",
      method: "GET",
    });
  });

  test("keeps the length of a HEAD, and the range of a GET", async () => {
    registry.blobs.set(digest, content);
    const head = await send("HEAD", `/v2/app/blobs/${digest}`);
    expect(head).toMatchObject({ status: 200, headers: { "content-length": String(content.length) } });
    const rest = await send("GET", `/v2/app/blobs/${digest}`, { Range: "bytes=1023990-" });
    expect(rest).toMatchObject({ status: 206, headers: { "content-length": "10" } });
  });

  test("waits for a registry that is away for a moment", async () => {
    registry.fault = faultAfter("GET", 0, answer(502));
    expect((await send("GET", "/v2/")).status).toBe(200);
  });

  test("keeps a redirect to elsewhere, and turns one to upstream itself to the relay", async () => {
    const redirect = (location: string) => {
      registry.fault = faultAfter("GET", 0, answer(307, { Location: location }));
      return send("GET", "/v2/x");
    };
    expect((await redirect("https://storage.example/b?s=1")).headers.location).toBe(
      "https://storage.example/b?s=1",
    );
    expect((await redirect(`${registry.origin}/v2/y?z`)).headers.location).toBe("/v2/y?z");
  });

  test("is not a proxy to anywhere", async () => {
    expect((await send("GET", "http://elsewhere.example/v2/")).status).toBe(400);
    expect((await send("GET", "//elsewhere.example/v2/")).status).toBe(404);
    expect(registry.log).toEqual([]);
  });

  test.each([
    "/",
    "/v2x",
    "/v1/",
    "/metrics",
    "/v2/../admin",
    "/v2/%2e%2e/admin",
    "/cdn-cgi/local/scheduled",
  ])("is passed on only below /v2, and %s is not", async (path) => {
    expect((await send("GET", path)).status).toBe(404);
    expect(registry.log).toEqual([]);
  });

  test.each(["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])(
    "is asked of %s, with the port",
    async (name) => {
      const { port } = relay.address() as AddressInfo;
      expect((await send("GET", "/v2/", { Host: `${name}:${port}` })).status).toBe(200);
      expect((await send("GET", "/v2/", { Host: name })).status).toBe(421);
      expect((await send("GET", "/v2/", { Host: `${name}:1` })).status).toBe(421);
    },
  );

  test.each([
    "attacker.example",
    "127.0.0.1.attacker.example",
    "localhost.attacker.example",
    "",
    "127.0.0.1@x",
  ])("that a page in a browser asks of a name of its own, %j, is refused", async (name) => {
    const { port } = relay.address() as AddressInfo;
    const refused = await send("PUT", "/v2/app/manifests/1", { Host: `${name}:${port}` }, [content]);
    expect(refused.status).toBe(421);
    expect(registry.log).toEqual([]);
  });

  test("takes manifests of any framing, but not of any size", async () => {
    const manifest = Buffer.alloc(5_000_000, "m");
    expect((await send("PUT", "/v2/app/manifests/1", {}, pieces(manifest))).status).toBe(201);
    expect(registry.manifests.get("1")).toEqual(manifest);
    const large = Buffer.alloc(9_000_000);
    expect((await send("PUT", "/v2/app/manifests/2", {}, pieces(large))).status).toBe(413);
  });
});

/** A registry in memory that fails on demand. Strict about chunks: each must begin where the last one ended. */

import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { sha256 } from "../../support/content.ts";

/** Takes a request over, or leaves it (false). */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

interface Session {
  bytes: Buffer;
  /** Changes with every answer; a request must carry the last one. */
  state: number;
}

export class MemoryRegistry {
  /** Method and path of every request, with the length of its body's header. */
  readonly log: string[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  readonly sessions = new Map<string, Session>();
  /** Asked before each request, in turn. */
  fault: Fault = () => false;
  /** Sent with the 202 that begins an upload. */
  limits: Record<string, string> = {};
  /** Whether Locations are full URLs, and carry a state that must come back. */
  absolute = false;
  /** What the catalog lists, page by page. */
  repositories: string[] = ["app"];
  /** How many names a page has. */
  page = 2;
  listsReferrers = true;
  /** Whether any blob can be mounted that is there. */
  mounts = false;
  /** Whether a part of a blob can be had. */
  ranges = true;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    return this;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  begin(): URL {
    const id = randomUUID();
    this.sessions.set(id, { bytes: Buffer.alloc(0), state: 0 });
    return new URL(this.#location(id), this.origin);
  }

  requests(method: string): string[] {
    return this.log.filter((line) => line.startsWith(`${method} `));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const range = headers["content-range"] ? ` ${headers["content-range"]}` : "";
    this.log.push(`${method} ${url.split("?", 1)[0]}${range}`);
    if (await this.fault(request, response)) return;
    response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
    const { pathname, searchParams } = new URL(url, this.origin);
    const upload = /^\/v2\/.+\/blobs\/uploads\/(.*)$/.exec(pathname)?.[1];
    const blob = /^\/v2\/.+\/blobs\/(sha\d+:.+)$/.exec(pathname)?.[1];
    const manifest = /^\/v2\/.+\/manifests\/(.+)$/.exec(pathname)?.[1];
    const referrers = /^\/v2\/.+\/referrers\/(sha256:.+)$/.exec(pathname)?.[1];
    if (pathname === "/v2/") response.end("{}");
    else if (pathname === "/v2/_catalog")
      this.#page(response, "repositories", this.repositories, searchParams);
    else if (pathname.endsWith("/tags/list")) this.#page(response, "tags", this.#tags, searchParams);
    else if (referrers !== undefined && this.listsReferrers) this.#referrers(referrers, response);
    else if (upload === "" && method === "POST") this.#start(searchParams, response);
    else if (upload !== undefined) await this.#upload(upload, searchParams, request, response);
    else if (blob !== undefined) this.#blob(blob, request, response);
    else if (manifest !== undefined) await this.#manifest(manifest, request, response);
    else response.writeHead(404).end();
  }

  get #tags(): string[] {
    return [...this.manifests.keys()].filter((reference) => !reference.includes(":")).sort();
  }

  #page(response: ServerResponse, field: string, all: string[], query: URLSearchParams): void {
    const rest = all.filter((name) => name > (query.get("last") ?? ""));
    const names = rest.slice(0, this.page);
    const more = rest.length > names.length;
    const link = `<?last=${encodeURIComponent(names.at(-1) ?? "")}>; rel="next"`;
    response.writeHead(200, { "Content-Type": "application/json", ...(more && { Link: link }) });
    response.end(JSON.stringify({ [field]: names }));
  }

  #referrers(digest: string, response: ServerResponse): void {
    const manifests = [...this.manifests]
      .filter(([reference, bytes]) => {
        return reference.includes(":") && JSON.parse(bytes.toString()).subject?.digest === digest;
      })
      .map(([reference]) => ({ digest: reference }));
    response.end(JSON.stringify({ schemaVersion: 2, manifests }));
  }

  /** Puts a manifest there, as a push would. @returns its digest */
  keep(manifest: object, tag?: string): string {
    const bytes = Buffer.from(JSON.stringify(manifest));
    this.manifests.set(sha256(bytes), bytes);
    if (tag !== undefined) this.manifests.set(tag, bytes);
    return sha256(bytes);
  }

  #start(query: URLSearchParams, response: ServerResponse): void {
    const mounted = this.mounts && this.blobs.has(query.get("mount") ?? "");
    if (mounted) {
      response.writeHead(201).end();
      return;
    }
    response.writeHead(202, {
      Location: this.begin().href.slice(this.absolute ? 0 : this.origin.length),
      ...this.limits,
    });
    response.end();
  }

  async #upload(id: string, query: URLSearchParams, request: IncomingMessage, response: ServerResponse) {
    const session = this.sessions.get(id);
    if (session === undefined) return refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
    if (this.absolute && query.get("state") !== String(session.state) && request.method !== "GET") {
      return refuse(response, 400, "BLOB_UPLOAD_INVALID");
    }
    const start = /^(\d+)-/.exec(request.headers["content-range"] ?? "")?.[1];
    if (start !== undefined && Number(start) !== session.bytes.length) {
      return refuse(response, 416, "BLOB_UPLOAD_INVALID", this.#progress(id, session));
    }
    try {
      for await (const piece of request) session.bytes = Buffer.concat([session.bytes, piece]);
    } catch {
      return;
    }
    const digest = query.get("digest");
    if (request.method !== "PUT" || digest === null) {
      session.state += 1;
      response.writeHead(request.method === "GET" ? 204 : 202, this.#progress(id, session)).end();
      return;
    }
    this.sessions.delete(id);
    if (sha256(session.bytes) !== digest) return refuse(response, 400, "DIGEST_INVALID");
    this.blobs.set(digest, session.bytes);
    response.writeHead(201, { Location: `/v2/app/blobs/${digest}`, "Docker-Content-Digest": digest }).end();
  }

  #blob(digest: string, request: IncomingMessage, response: ServerResponse): void {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) {
      refuse(response, 404, "BLOB_UNKNOWN");
      return;
    }
    const asked = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const start = this.ranges ? asked : 0;
    const headers = { "Content-Length": bytes.length - start, "Docker-Content-Digest": digest };
    response.writeHead(start > 0 ? 206 : 200, headers);
    response.end(request.method === "HEAD" ? undefined : bytes.subarray(start));
  }

  async #manifest(reference: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "PUT") {
      const bytes = this.manifests.get(reference);
      if (bytes === undefined) refuse(response, 404, "MANIFEST_UNKNOWN");
      else {
        const { mediaType } = JSON.parse(bytes.toString());
        response.writeHead(200, {
          "Content-Type": mediaType,
          "Content-Length": bytes.length,
          "Docker-Content-Digest": sha256(bytes),
        });
        response.end(request.method === "HEAD" ? undefined : bytes);
      }
      return;
    }
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    this.manifests.set(reference, Buffer.concat(pieces));
    this.manifests.set(sha256(Buffer.concat(pieces)), Buffer.concat(pieces));
    response.writeHead(201, { "Docker-Content-Digest": sha256(Buffer.concat(pieces)) }).end();
  }

  #progress(id: string, { bytes }: Session): Record<string, string> {
    return { Location: this.#location(id), Range: `0-${Math.max(bytes.length - 1, 0)}` };
  }

  #location(id: string): string {
    const path = `/v2/app/blobs/uploads/${id}`;
    return this.absolute ? `${this.origin}${path}?state=${this.sessions.get(id)?.state}` : path;
  }
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify({ errors: [{ code, message: `refused with ${status}` }] }));
}

/** Lets `count` requests of a method pass, then takes one over. */
export function faultAfter(method: string, count: number, fault: Fault): Fault {
  let seen = 0;
  return (request, response) => {
    if (request.method !== method) return false;
    seen += 1;
    return seen === count + 1 ? fault(request, response) : false;
  };
}

/** Reads nothing and hangs up. */
export const cut: Fault = (request) => {
  request.socket.destroy();
  return true;
};

export function answer(status: number, headers: Record<string, string> = {}): Fault {
  return (request, response) => {
    request.resume();
    response.writeHead(status, { "Content-Type": "text/html", ...headers }).end("<h1>no</h1>");
    return true;
  };
}

/** As an edge does: refuses by the length alone. */
export function limitBody(bytes: number): Fault {
  return (request, response) => {
    if (Number(request.headers["content-length"] ?? 0) <= bytes) return false;
    response.writeHead(413, { "Content-Type": "text/html", Connection: "close" });
    response.end("<html><h1>413 Request Entity Too Large</h1></html>");
    request.resume();
    return true;
  };
}

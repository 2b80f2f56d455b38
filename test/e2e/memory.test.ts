/**
 * The memory of one isolate, which Cloudflare gives 128 MB for the Worker and all Durable Objects that it puts there:
 * asked of V8 inside workerd, as the size of the process is mostly the simulator's.
 */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hashPassword } from "../../src/cli/user-entries.ts";
import { sha256 } from "../support/content.ts";
import { freePort } from "./support/ports.ts";
import { ROOT } from "./support/registry.ts";
import { Service } from "./support/service.ts";

const MIB = 1024 * 1024;

/** What Cloudflare allows. Bytes. */
const LIMIT = 128e6;

const UPLOADS = 10;

/** Of each upload: three parts and a rest. Bytes. */
const SIZE = 25 * MIB;

const FIRST = 7 * MIB;

const AUTHORIZATION = `Basic ${Buffer.from("admin:secret-of-this-test").toString("base64")}`;

const workspace = mkdtempSync(join(tmpdir(), "berth-memory-"));
const state = join(workspace, "state");
let origin: string;
let heap: Heap;
let service: Service;

/** V8's own count, by the inspector that `npm start` keeps closed. */
class Heap {
  readonly #socket: WebSocket;
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(port: number): Promise<Heap> {
    const [target] = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
      webSocketDebuggerUrl: string;
    }[];
    // wrangler refuses pages of other sites by these.
    const headers = { Origin: "http://localhost", "User-Agent": "berth" };
    const socket = new WebSocket(target?.webSocketDebuggerUrl ?? "", { headers });
    await new Promise((opened, failed) => {
      socket.addEventListener("open", opened);
      socket.addEventListener("error", failed);
    });
    return new Heap(socket);
  }

  /** Objects and the buffers behind them. Bytes. */
  async used(): Promise<number> {
    const usage = await this.#call("Runtime.getHeapUsage");
    return usage.usedSize + usage.backingStorageSize;
  }

  collect(): Promise<unknown> {
    return this.#call("HeapProfiler.collectGarbage");
  }

  close(): void {
    this.#socket.close();
  }

  /** workerd hears it only while a request is there, and the first messages may be lost. */
  async #call(method: string): Promise<Usage> {
    for (let tries = 0; tries < 30; tries++) {
      const answered = this.#send(method);
      await fetch(`${origin}/v2/`);
      const answer = await Promise.race([answered, sleep(1000, null)]);
      if (answer !== null) return answer;
    }
    throw new Error(`the inspector does not answer ${method}`);
  }

  #send(method: string): Promise<Usage> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      const listen = ({ data }: MessageEvent) => {
        const message = JSON.parse(String(data));
        if (message.id !== id) return;
        this.#socket.removeEventListener("message", listen);
        if (message.error) reject(new Error(message.error.message));
        else resolve(message.result);
      };
      this.#socket.addEventListener("message", listen);
      this.#socket.send(JSON.stringify({ id, method }));
    });
  }
}

/** Bytes. */
interface Usage {
  usedSize: number;
  /** Of buffers. */
  backingStorageSize: number;
}

beforeAll(async () => {
  const [port, inspector] = [await freePort(), await freePort()];
  origin = `http://127.0.0.1:${port}`;
  const where = ["--local", "--persist-to", state];
  const hash = await hashPassword("secret-of-this-test");
  await wrangler("d1", "migrations", "apply", "DB", ...where);
  await wrangler("kv", "key", "put", "--binding", "USERS", "admin", hash, ...where);
  service = start("dev", "--port", `${port}`, "--inspector-port", `${inspector}`, "--persist-to", state);
  await service.ready(async () => (await fetch(`${origin}/v2/`)).status === 401);
  heap = await Heap.open(inspector);
});

afterAll(async () => {
  heap?.close();
  await service?.stop();
  rmSync(workspace, { recursive: true, force: true });
});

function start(...args: string[]): Service {
  const log = join(workspace, `${args[0]}-${Math.random()}.log`);
  return new Service("npx", ["wrangler", ...args], log, { cwd: ROOT, env: { CI: "true" } });
}

async function wrangler(...args: string[]): Promise<void> {
  await promisify(execFile)("npx", ["wrangler", ...args], { cwd: ROOT, env: { ...process.env, CI: "true" } });
}

/** A body of unknown length, as docker's, that all uploads send at the same pace. */
function body(seed: number, length: number): ReadableStream<Uint8Array> {
  let left = length;
  return new ReadableStream({
    async pull(controller) {
      if (left === 0) return controller.close();
      const piece = new Uint8Array(Math.min(left, 256 * 1024)).fill(seed);
      left -= piece.byteLength;
      controller.enqueue(piece);
      await sleep(1);
    },
  });
}

async function upload(seed: number): Promise<number> {
  const headers = { Authorization: AUTHORIZATION };
  const started = await fetch(`${origin}/v2/a/blobs/uploads/`, { method: "POST", headers });
  const location = new URL(started.headers.get("Location") ?? "", origin);
  // The first chunk leaves a tail that is nearly a part: the second begins with it.
  for (const [length, end] of [
    [FIRST, FIRST],
    [SIZE - FIRST, SIZE],
  ] as const) {
    const init = { method: "PATCH", headers, body: body(seed, length), duplex: "half" };
    const patched = await fetch(location, init as RequestInit);
    expect([patched.status, patched.headers.get("Range")]).toEqual([202, `0-${end - 1}`]);
  }
  location.searchParams.set("digest", sha256(new Uint8Array(SIZE).fill(seed)));
  return (await fetch(location, { method: "PUT", headers })).status;
}

test("ten uploads at once stay within an isolate's memory, and none is refused", async () => {
  await heap.collect();
  const before = await heap.used();
  let peak = 0;
  let working = true;
  const watching = (async () => {
    for (; working; await sleep(25)) peak = Math.max(peak, await heap.used());
  })();
  const statuses = await Promise.all(Array.from({ length: UPLOADS }, (_, index) => upload(index + 1)));
  working = false;
  await watching;
  console.log(`before ${(before / 1e6).toFixed(1)} MB, peak ${(peak / 1e6).toFixed(1)} MB`);
  expect(statuses).toEqual(Array(UPLOADS).fill(201));
  // It was watched at all: parts were seen on their way.
  expect(peak).toBeGreaterThan(before + 16 * MIB);
  expect(peak).toBeLessThan(LIMIT);
});

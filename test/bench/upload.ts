/**
 * `npm run bench`: uploads of 100 MiB beside a bare R2.put of the same bytes, and the memory that one of 2 GiB takes.
 * Times are of this machine; the ratios say something.
 */

import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { freePort } from "../e2e/support/ports.ts";
import { ROOT } from "../e2e/support/registry.ts";
import { Service } from "../e2e/support/service.ts";
import { type Client, clientOf } from "../support/client.ts";
import { sha256 } from "../support/content.ts";

const MIB = 1024 ** 2;
const SIZE = 100 * MIB;
const ROUNDS = 5;

const { values } = parseArgs({ options: { gib: { type: "string", default: "2" } } });
const workspace = mkdtempSync(join(tmpdir(), "berth-bench-"));
const services: Service[] = [];
const authorization = `Basic ${btoa("admin:bench")}`;

try {
  const bare = await startBare();
  const { origin, service } = await startBerth();
  await compare(bare, origin);
  await watchMemory(origin, service, Number(values.gib) * 1024);
} finally {
  for (const service of services) await service.stop();
  rmSync(workspace, { recursive: true, force: true });
}

async function startBare(): Promise<string> {
  const port = await freePort();
  const wrangler = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
  const args = ["dev", "--port", String(port), "--ip", "127.0.0.1", "--persist-to", join(workspace, "bare")];
  const service = new Service(process.execPath, [wrangler, ...args], join(workspace, "bare.log"), {
    cwd: join(ROOT, "test/bench/bare-put"),
    env: { CLOUDFLARE_CF_FETCH_ENABLED: "false", WRANGLER_SEND_METRICS: "false" },
  });
  services.push(service);
  const origin = `http://127.0.0.1:${port}`;
  await service.ready(async () => (await fetch(origin)).ok);
  return origin;
}

async function startBerth(): Promise<{ origin: string; service: Service }> {
  const port = await freePort();
  const env = { PORT: String(port), BERTH_STATE: join(workspace, "berth"), BERTH_ADMIN_PASSWORD: "bench" };
  const service = new Service("npm", ["start"], join(workspace, "berth.log"), { cwd: ROOT, env });
  services.push(service);
  const origin = `http://127.0.0.1:${port}`;
  await service.ready(
    async () => (await fetch(`${origin}/v2/`, { headers: { Authorization: authorization } })).ok,
  );
  return { origin, service };
}

async function compare(bare: string, berth: string): Promise<void> {
  const times: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = Buffer.alloc(SIZE, `round ${round} of ${Date.now()} `);
    const ways = {
      "bare R2.put": () => put(bare, bytes),
      "docker: PATCH of unknown length": () => pushByPatch(berth, pieces(bytes), sha256(bytes)),
      "containerd: whole-body PUT": () => pushByPut(berth, Buffer.concat([bytes, Buffer.from("!")])),
    };
    for (const [way, upload] of Object.entries(ways)) {
      const began = performance.now();
      await upload();
      times[way] = [...(times[way] ?? []), performance.now() - began];
    }
  }
  const floor = median(times["bare R2.put"] ?? []);
  for (const [way, taken] of Object.entries(times)) {
    console.log(
      `${way.padEnd(34)} ${(median(taken) / 1000).toFixed(2)} s  ${(median(taken) / floor).toFixed(2)} ×`,
    );
  }
}

async function put(origin: string, bytes: Buffer): Promise<void> {
  await drained(clientAt(origin).expect([201], "PUT", "/", { body: new Uint8Array(bytes) }));
}

async function pushByPatch(
  origin: string,
  body: ReadableStream,
  digest: string | Promise<string>,
): Promise<void> {
  const client = clientAt(origin);
  const location = await client.startUpload("bench");
  await drained(client.expect([202], "PATCH", location, { body, duplex: "half" } as RequestInit));
  await drained(client.expect([201], "PUT", `${location}?digest=${await digest}`));
}

async function pushByPut(origin: string, bytes: Buffer): Promise<void> {
  const client = clientAt(origin);
  const path = `${await client.startUpload("bench")}?digest=${sha256(bytes)}`;
  await drained(client.expect([201], "PUT", path, { body: new Uint8Array(bytes) }));
}

function clientAt(origin: string): Client {
  return clientOf((method, path, init) =>
    fetch(origin + path, { ...init, method, headers: { Authorization: authorization } }),
  );
}

async function drained(response: Promise<Response>): Promise<void> {
  await (await response).arrayBuffer();
}

/** Uploads so many MiB, made as they are sent, and prints what workerd's memory grows to meanwhile. */
async function watchMemory(origin: string, service: Service, mebibytes: number): Promise<void> {
  const hash = createHash("sha256");
  let sent = 0;
  const samples: number[] = [];
  const body = new ReadableStream({
    pull(controller) {
      if (sent % 256 === 0) samples.push(residentOf(service));
      if (sent === mebibytes) return controller.close();
      const piece = Buffer.alloc(MIB, `piece ${sent++} `);
      hash.update(piece);
      controller.enqueue(new Uint8Array(piece));
    },
  });
  let settle = (_: string) => {};
  const digest = new Promise<string>((resolve) => {
    settle = resolve;
  });
  const pushed = pushByPatch(origin, body, digest);
  while (sent < mebibytes) await new Promise((resolve) => setTimeout(resolve, 100));
  settle(`sha256:${hash.digest("hex")}`);
  await pushed;
  samples.push(residentOf(service));
  console.log(`workerd's resident memory during ${mebibytes} MiB, every 256 MiB: ${samples.join(", ")} MiB`);
}

/** Of all workerd processes in the service's process group. MiB. */
function residentOf(service: Service): number {
  let kibibytes = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(group) !== service.pid || !stat.includes("(workerd")) continue;
      kibibytes += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    } catch {
      // It ended meanwhile.
    }
  }
  return Math.round(kibibytes / 1024);
}

function pieces(bytes: Buffer): ReadableStream {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      if (offset >= bytes.byteLength) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(offset, offset + MIB)));
      offset += MIB;
    },
  });
}

function median(list: number[]): number {
  return list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;
}

/**
 * `node test/bench/relay.ts`: layers through `berth relay` beside the same pushed directly, and the memory that the
 * relay takes for one of 2 GiB. Times are of this machine; the ratios say something.
 */

import { createHash, randomFillSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http, { type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { freePort } from "../e2e/support/ports.ts";
import { ROOT } from "../e2e/support/registry.ts";
import { Service } from "../e2e/support/service.ts";

const MIB = 1024 ** 2;
const ROUNDS = 5;
const LAYER = 256;
const authorization = `Basic ${btoa("admin:bench-password")}`;

const { values } = parseArgs({ options: { gib: { type: "string", default: "2" } } });
const workspace = mkdtempSync(join(tmpdir(), "berth-bench-"));
const services: Service[] = [];
const piece = randomFillSync(Buffer.alloc(MIB));
let layers = 0;

try {
  const direct = await startBerth();
  const relay = await startRelay(direct);
  await compare(direct, relay.origin);
  await watchMemory(relay, Number(values.gib) * 1024);
} finally {
  for (const service of services) await service.stop();
  rmSync(workspace, { recursive: true, force: true });
}

async function startBerth(): Promise<string> {
  const port = await freePort();
  const env = {
    PORT: String(port),
    BERTH_STATE: join(workspace, "berth"),
    BERTH_ADMIN_PASSWORD: "bench-password",
  };
  return start("npm", ["start"], `http://127.0.0.1:${port}`, env);
}

async function startRelay(upstream: string): Promise<{ origin: string; service: Service }> {
  const port = await freePort();
  const args = [join(ROOT, "src/cli/main.ts"), "relay", upstream, "--listen", String(port)];
  const origin = await start(process.execPath, args, `http://127.0.0.1:${port}`, {});
  return { origin, service: services.at(-1) as Service };
}

async function start(program: string, args: string[], origin: string, env: Record<string, string>) {
  const service = new Service(program, args, join(workspace, `${services.length}.log`), { cwd: ROOT, env });
  services.push(service);
  await service.ready(async () => (await fetch(`${origin}/v2/`, { headers: { authorization } })).ok);
  return origin;
}

async function compare(direct: string, relay: string): Promise<void> {
  const times: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const whole of [false, true]) {
      for (const [way, origin] of Object.entries({ direct, relay })) {
        const began = performance.now();
        await pushLayer(origin, LAYER, whole);
        const key = `${whole ? "containerd, one PUT" : "docker, one PATCH"}: ${way}`;
        times[key] = [...(times[key] ?? []), performance.now() - began];
      }
    }
  }
  for (const [way, taken] of Object.entries(times)) {
    const base = median(times[way.replace(/relay$/, "direct")] ?? []);
    const ratio = (median(taken) / base).toFixed(2);
    console.log(`${LAYER} MiB, ${way.padEnd(28)} ${(median(taken) / 1000).toFixed(2)} s  ${ratio} ×`);
  }
}

async function watchMemory({ origin, service }: { origin: string; service: Service }, mib: number) {
  for (const whole of [false, true]) {
    const samples: number[] = [];
    const timer = setInterval(() => samples.push(memoryOf(service.pid)), 200);
    await pushLayer(origin, mib, whole);
    clearInterval(timer);
    const half = samples.slice(samples.length / 2);
    console.log(
      `${mib} MiB in one ${whole ? "PUT" : "PATCH"}: the relay takes ${Math.max(...samples)} MB at most, ${Math.max(...half)} MB in the second half`,
    );
  }
}

/** Resident, MB. */
function memoryOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round((Number(kilobytes) * 1024) / 1e6);
}

/** @param whole in one PUT of known length, as containerd does; else in one PATCH of unknown length, as docker does */
async function pushLayer(origin: string, mib: number, whole: boolean): Promise<void> {
  layers += 1;
  const first = Buffer.from(`layer ${layers} ${Date.now()}`.padEnd(MIB, "."));
  const hash = createHash("sha256").update(first);
  for (let count = 1; count < mib; count += 1) hash.update(piece);
  const digest = `sha256:${hash.digest("hex")}`;

  const began = await send("POST", `${origin}/v2/bench/blobs/uploads/`, {}, []);
  const location = new URL(began.headers.location ?? "", origin).href;
  if (whole) {
    const headers = { "Content-Length": mib * MIB };
    return expectStatus(201, await send("PUT", `${location}?digest=${digest}`, headers, pieces(first, mib)));
  }
  expectStatus(202, await send("PATCH", location, {}, pieces(first, mib)));
  expectStatus(201, await send("PUT", `${location}?digest=${digest}`, { "Content-Length": 0 }, []));
}

function* pieces(first: Buffer, mib: number): Generator<Buffer> {
  yield first;
  for (let count = 1; count < mib; count += 1) yield piece;
}

function send(method: string, url: string, headers: OutgoingHttpHeaders, body: Iterable<Buffer>) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const request = http.request(url, { method, headers: { authorization, ...headers } }, (response) => {
      response.resume().once("end", () => resolve(response));
    });
    request.once("error", reject);
    void (async () => {
      for (const bytes of body) {
        if (!request.write(bytes)) await new Promise((drained) => request.once("drain", drained));
      }
      request.end();
    })();
  });
}

function expectStatus(status: number, { statusCode }: IncomingMessage): void {
  if (statusCode !== status) throw new Error(`answered ${statusCode}, not ${status}`);
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

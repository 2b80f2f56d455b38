/** A registry under `wrangler dev`, whose inspector tells how much memory the isolate takes: `npm start` has it closed. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hashPassword } from "../../../src/cli/user-entries.ts";
import { run } from "./command.ts";
import { PASSWORD, USER } from "./login.ts";
import { freePort } from "./ports.ts";
import { ROOT } from "./registry.ts";
import { Service } from "./service.ts";

export interface WatchedRegistry {
  host: string;
  service: Service;
  heap: Heap;
}

export async function startWatchedRegistry(workspace: string): Promise<WatchedRegistry> {
  const [port, inspector] = [await freePort(), await freePort()];
  const host = `127.0.0.1:${port}`;
  const state = ["--persist-to", join(workspace, `watched-${port}`)];
  const options = { cwd: ROOT, env: { CI: "true" } };
  const hash = await hashPassword(PASSWORD);
  await run("npx", ["wrangler", "d1", "migrations", "apply", "DB", "--local", ...state], options);
  await run(
    "npx",
    ["wrangler", "kv", "key", "put", "--binding", "USERS", USER, hash, "--local", ...state],
    options,
  );
  const dev = ["wrangler", "dev", "--port", `${port}`, "--inspector-port", `${inspector}`, ...state];
  const service = new Service("npx", dev, join(workspace, `watched-${port}.log`), options);
  await service.ready(async () => (await fetch(`http://${host}/v2/`)).status === 401);
  return { host, service, heap: await Heap.open(inspector, `http://${host}`) };
}

/** V8's own count, by the inspector that `npm start` keeps closed. */
export class Heap {
  readonly #socket: WebSocket;
  readonly #origin: string;
  #calls = 0;

  private constructor(socket: WebSocket, origin: string) {
    this.#socket = socket;
    this.#origin = origin;
  }

  /** @param port the inspector's @param origin the registry's */
  static async open(port: number, origin: string): Promise<Heap> {
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
    return new Heap(socket, origin);
  }

  /** Objects and the buffers behind them. Bytes. */
  async used(): Promise<number> {
    const usage = await this.#call("Runtime.getHeapUsage");
    return usage.usedSize + usage.backingStorageSize;
  }

  collect(): Promise<unknown> {
    return this.#call("HeapProfiler.collectGarbage");
  }

  /** The most that is used while `work` goes on. Bytes. */
  async peakDuring(work: () => Promise<unknown>): Promise<number> {
    let peak = 0;
    let working = true;
    const watching = (async () => {
      for (; working; await sleep(25)) peak = Math.max(peak, await this.used());
    })();
    try {
      await work();
    } finally {
      working = false;
      await watching;
    }
    return peak;
  }

  close(): void {
    this.#socket.close();
  }

  /** workerd hears it only while a request is there, and the first messages may be lost. */
  async #call(method: string): Promise<Usage> {
    for (let tries = 0; tries < 30; tries++) {
      const answered = this.#send(method);
      await fetch(`${this.#origin}/v2/`);
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

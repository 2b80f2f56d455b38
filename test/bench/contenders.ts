/** Who is measured: Berth as `npm start` runs it, Debian's registry:2 on local disk, and a bare Worker as the floor. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Docker, startDocker } from "../e2e/support/docker.ts";
import { freePort } from "../e2e/support/ports.ts";
import { killUsersOf } from "../e2e/support/process-group.ts";
import { ROOT, startRegistry } from "../e2e/support/registry.ts";
import { Service } from "../e2e/support/service.ts";

export type Name = "Berth" | "registry:2" | "floor";

/** The registries among them. */
export const REGISTRIES = ["Berth", "registry:2"] as const satisfies Name[];

interface Stoppable {
  stop(): Promise<unknown>;
}

export class Contenders {
  readonly workspace = mkdtempSync(join(tmpdir(), "berth-bench-"));
  /** Where registry:2 keeps its files. */
  readonly otherRoot = join(this.workspace, "registry-2");
  readonly #services: Stoppable[] = [];
  readonly #hosts = new Map<Name, string>();
  #docker: Promise<Docker> | null = null;

  async start(): Promise<void> {
    const { host, service } = await startRegistry(this.workspace);
    this.#services.push(service);
    this.#hosts.set("Berth", host);
    this.#hosts.set("registry:2", await this.#startOther());
    this.#hosts.set("floor", await this.#startFloor());
  }

  /** Like "127.0.0.1:5000". */
  hostOf(name: Name): string {
    return this.#hosts.get(name) as string;
  }

  /** A docker of the bench's own, started when somebody wants it. */
  docker(): Promise<Docker> {
    this.#docker ??= startDocker(this.workspace).then(({ service, docker }) => {
      this.#services.push(service);
      return docker;
    });
    return this.#docker;
  }

  /** What ends with the bench. */
  add(service: Stoppable): void {
    this.#services.push(service);
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#services.reverse().map((service) => service.stop()));
    killUsersOf(this.workspace);
    rmSync(this.workspace, { recursive: true, force: true });
  }

  async #startOther(): Promise<string> {
    const host = `127.0.0.1:${await freePort()}`;
    const config = join(this.workspace, "registry-2.yml");
    mkdirSync(this.otherRoot);
    writeFileSync(
      config,
      `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${this.otherRoot} }, cache: { blobdescriptor: inmemory } }
http: { addr: "${host}", secret: bench }
`,
    );
    await this.#ready(
      new Service("docker-registry", ["serve", config], `${config}.log`),
      `http://${host}/v2/`,
    );
    return host;
  }

  async #startFloor(): Promise<string> {
    const port = await freePort();
    const state = join(this.workspace, "floor");
    const args = [
      "dev",
      "--port",
      `${port}`,
      "--ip",
      "127.0.0.1",
      "--persist-to",
      state,
      "--log-level",
      "warn",
    ];
    const wrangler = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
    const options = {
      cwd: join(ROOT, "test/bench/floor"),
      env: { CLOUDFLARE_CF_FETCH_ENABLED: "false", WRANGLER_SEND_METRICS: "false", CI: "true" },
    };
    const service = new Service(process.execPath, [wrangler, ...args], `${state}.log`, options);
    await this.#ready(service, `http://127.0.0.1:${port}/`);
    return `127.0.0.1:${port}`;
  }

  async #ready(service: Service, url: string): Promise<void> {
    this.#services.push(service);
    await service.ready(async () => (await fetch(url)).ok);
  }
}

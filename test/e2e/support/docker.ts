/** A docker of our own: its daemon on a private socket, with nothing shared with one that may run here. */

import { existsSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { type CommandOptions, run } from "./command.ts";
import { logInTo } from "./login.ts";
import { Service } from "./service.ts";

/** Debian's own client matches Debian's daemon; another one may come first in PATH. */
const CLIENT = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";

export interface DockerDaemon {
  service: Service;
  socket: string;
  docker: Docker;
}

/** A docker that has no images yet. */
export async function startDocker(workspace: string): Promise<DockerDaemon> {
  const directory = mkdtempSync(join(workspace, "docker-"));
  const socket = join(directory, "sock");
  const service = new Service(
    "dockerd",
    [
      ...["--host", `unix://${socket}`, "--pidfile", join(directory, "pid")],
      ...["--data-root", join(directory, "data"), "--exec-root", join(directory, "exec")],
      // No network of its own, so that it changes nothing of this machine's.
      ...["--bridge=none", "--iptables=false", "--ip6tables=false"],
    ],
    join(directory, "dockerd.log"),
  );
  const docker = new Docker(socket, directory);
  await service.ready(async () => (await docker.run("version")) !== "");
  return { service, socket, docker };
}

export class Docker {
  readonly #options: CommandOptions;
  readonly #config: string;

  /** @param home of the client's own settings */
  constructor(socket: string, home: string) {
    this.#config = join(home, "config.json");
    this.#options = {
      env: { DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: home, DOCKER_BUILDKIT: "0" },
    };
  }

  run(...args: string[]): Promise<string> {
    logInTo(this.#config, args);
    return run(CLIENT, args, this.#options);
  }

  async build(context: string, tag: string): Promise<void> {
    await this.run("build", "--network", "none", "--tag", tag, context);
  }

  /** Pushes a local image under another name. @returns the digest that docker reports */
  async push(image: string, target: string): Promise<string> {
    await this.run("tag", image, target);
    const output = await this.run("push", target);
    const digest = /digest: (sha256:[0-9a-f]{64})/.exec(output)?.[1];
    if (digest === undefined) throw new Error(`docker push reports no digest:\n${output}`);
    return digest;
  }

  /** The `name@digest` under which docker knows a local image. */
  async repoDigests(image: string): Promise<string[]> {
    const json = await this.run("image", "inspect", "--format", "{{json .RepoDigests}}", image);
    return JSON.parse(json) as string[];
  }
}

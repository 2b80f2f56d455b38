/** A containerd of our own, and `ctr`, its client. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.ts";
import { PASSWORD, USER } from "./login.ts";
import { Service } from "./service.ts";

export class Containerd {
  readonly service: Service;
  readonly socket: string;

  constructor(workspace: string) {
    const directory = mkdtempSync(join(workspace, "containerd-"));
    this.socket = join(directory, "sock");
    const config = join(directory, "config.toml");
    writeFileSync(
      config,
      `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${this.socket}"
[ttrpc]
address = "${directory}/ttrpc"
`,
    );
    this.service = new Service("containerd", ["--config", config], join(directory, "containerd.log"));
  }

  async ready(): Promise<void> {
    await this.service.ready(async () => (await this.ctr("a", "version")) !== "");
  }

  /** @param namespace what one holds is unknown in the others */
  ctr(namespace: string, ...args: string[]): Promise<string> {
    return run("ctr", ["--address", this.socket, "--namespace", namespace, ...args]);
  }

  async pull(namespace: string, image: string): Promise<void> {
    await this.ctr(namespace, "images", "pull", "--plain-http", "--user", `${USER}:${PASSWORD}`, image);
  }

  async push(namespace: string, image: string, target: string): Promise<void> {
    await this.ctr(namespace, "images", "tag", "--force", image, target);
    await this.ctr(namespace, "images", "push", "--plain-http", "--user", `${USER}:${PASSWORD}`, target);
  }

  async digestOf(namespace: string, image: string): Promise<string> {
    const list = await this.ctr(namespace, "images", "ls", `name==${image}`);
    return /sha256:[0-9a-f]{64}/.exec(list)?.[0] ?? `${image} is not there:\n${list}`;
  }
}

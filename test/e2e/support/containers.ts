/**
 * podman, buildah and skopeo, each with a storage of its own. One thing they share with others of this machine,
 * and nothing can turn that off for root: their note of which registry has which blob, a cache.
 */

import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommandOptions, run } from "./command.ts";
import { logInTo } from "./login.ts";

const SETTINGS = `[containers]
# Lower than what any machine allows: their own defaults are more than root may set in a virtual machine.
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
# The other kind of lock is one for the whole machine.
lock_type = "file"
`;

export class ContainerTools {
  readonly directory: string;
  readonly #options: CommandOptions;
  readonly #logins: string;
  readonly #loggedIn: boolean;

  /** @param loggedIn as the administrator, wherever its arguments lead; false leaves logging in to the test */
  constructor(workspace: string, loggedIn = true) {
    this.#loggedIn = loggedIn;
    this.directory = mkdtempSync(join(workspace, "containers-"));
    const settings = join(this.directory, "containers.conf");
    writeFileSync(settings, SETTINGS);
    this.#logins = join(this.directory, "auth.json");
    this.#options = {
      env: {
        CONTAINERS_CONF: settings,
        HOME: this.directory,
        TMPDIR: this.directory,
        REGISTRY_AUTH_FILE: this.#logins,
      },
    };
  }

  podman(...args: string[]): Promise<string> {
    return this.#run("podman", [...this.#storage("podman"), "--tmpdir", this.#path("podman-tmp"), ...args]);
  }

  buildah(...args: string[]): Promise<string> {
    return this.#run("buildah", [...this.#storage("buildah"), ...args]);
  }

  skopeo(...args: string[]): Promise<string> {
    return this.#run("skopeo", args);
  }

  /** `podman push` or `buildah push`. @returns the digest that the program reports */
  async push(
    program: "podman" | "buildah",
    image: string,
    target: string,
    ...flags: string[]
  ): Promise<string> {
    const file = this.#path(`${program}-digest`);
    await this[program](
      "push",
      "--tls-verify=false",
      "--digestfile",
      file,
      ...flags,
      image,
      `docker://${target}`,
    );
    return readFileSync(file, "utf8").trim();
  }

  /** `skopeo copy` between registries and directories. @returns the digest that skopeo reports */
  async copy(source: string, target: string, ...flags: string[]): Promise<string> {
    const file = this.#path("skopeo-digest");
    const insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    await this.skopeo("copy", ...insecure, "--digestfile", file, ...flags, source, target);
    return readFileSync(file, "utf8").trim();
  }

  #run(program: string, args: string[]): Promise<string> {
    if (this.#loggedIn) logInTo(this.#logins, args);
    return run(program, args, this.#options);
  }

  #storage(name: string): string[] {
    return ["--root", this.#path(name), "--runroot", this.#path(`${name}-run`)];
  }

  #path(name: string): string {
    return join(this.directory, name);
  }
}

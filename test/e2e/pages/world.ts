/** Where the pages' commands are run: a checkout of its own, with a registry, another one, clients and a Cloudflare. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cloudflare } from "../../cli/support/cloudflare.ts";
import { blocksOf } from "../../support/pages.ts";
import { attempt, type Result, run } from "../support/command.ts";
import { Containerd } from "../support/containerd.ts";
import { startDistribution } from "../support/distribution.ts";
import { createBuildContext } from "../support/image.ts";
import { logInTo, PASSWORD } from "../support/login.ts";
import { freePort } from "../support/ports.ts";
import { type Registry, ROOT, startRegistry } from "../support/registry.ts";
import { Service } from "../support/service.ts";
import { inPlaceOfNames, type Names } from "./names.ts";

/** Where one's own settings of registries are, beside those of the machine. */
const REGISTRIES = "home/.config/containers/registries.conf.d";

/** Of docker, where the test has put its own. */
const CLIENT = "/usr/bin/docker";

/** Debian's Compose as a part of docker's command, which it is in newer versions. */
const COMPOSE = `if [ "$1" = docker-cli-plugin-metadata ]
then echo '{"SchemaVersion": "0.1.0", "Vendor": "Debian", "Version": "1"}'
else shift && exec docker-compose "$@"
fi`;

/** As every namespace of Kubernetes has one. */
const ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\n";

export class World {
  readonly folder: string;
  readonly registry: Registry;
  readonly cloudflare: Cloudflare;
  readonly names: Names;
  readonly #env: Record<string, string>;
  readonly #services: Service[] = [];
  /** The machine token that was made last. */
  #token = "";

  private constructor(
    registry: Registry,
    cloudflare: Cloudflare,
    containerd: Containerd,
    names: Names,
    dockerSocket: string,
  ) {
    const { folder } = names;
    this.folder = folder;
    this.registry = registry;
    this.cloudflare = cloudflare;
    this.names = names;
    this.#services.push(registry.service, containerd.service);
    this.#env = {
      ...cloudflare.env,
      HOME: join(folder, "home"),
      PATH: `${join(folder, "bin")}:${process.env.PATH}`,
      BERTH_STATE: registry.state,
      PORT: String(registry.port),
      DOCKER_HOST: `unix://${dockerSocket}`,
      DOCKER_CONFIG: join(folder, "home/.docker"),
      DOCKER_BUILDKIT: "0",
      REGISTRY_AUTH_FILE: join(folder, "home/.docker/config.json"),
      CONTAINERD_ADDRESS: containerd.socket,
      npm_config_update_notifier: "false",
    };
  }

  static async create(workspace: string, dockerSocket: string): Promise<World> {
    const folder = mkdtempSync(join(workspace, "pages-"));
    const port = await freePort();
    const state = join(folder, "srv/berth");
    mkdirSync(join(folder, "srv"));
    const containerd = new Containerd(workspace);
    const [registry, other, cloudflare] = await Promise.all([
      startRegistry(workspace, { port, state }),
      startDistribution(folder),
      Cloudflare.listen(),
      containerd.ready(),
    ]);
    const relay = `127.0.0.1:${await freePort()}`;
    const names = { registry: registry.host, relay, other: other.host, folder };
    const world = new World(registry, cloudflare.deployed().migrated(), containerd, names, dockerSocket);
    world.#services.push(other.service);
    world.#prepare();
    await world.#makeImages(workspace);
    return world;
  }

  async close(): Promise<void> {
    for (const service of this.#services.reverse()) await service.stop();
    this.cloudflare.close();
  }

  /** As the administrator, and nobody else: a page's block may log somebody else in. */
  logIn(): void {
    const config = join(this.folder, "home/.docker/config.json");
    rmSync(config, { force: true });
    logInTo(config, [this.names.registry, this.names.relay]);
  }

  /** Runs a line as it stands in a page, but for the names in it. */
  async run(line: string): Promise<Result> {
    const input = join(this.folder, "input");
    const isToken = /^docker login -u alice --password-stdin/.test(line);
    writeFileSync(input, isToken ? this.#token : PASSWORD);
    const script = `exec < '${input}'; ${inPlaceOfNames(line, this.names)}`;
    const result = await attempt("bash", ["-o", "pipefail", "-c", script], {
      cwd: this.folder,
      env: { ...this.#env, TOKEN: this.#token },
    });
    if (/\btoken (?:-- )?create /.test(line)) this.#token = result.stdout.trim().split("\n").at(-1) ?? "";
    return result;
  }

  /** @throws with what it said, unless it succeeds */
  async succeed(line: string): Promise<void> {
    const { code, stdout, stderr } = await this.run(line);
    if (code !== 0) throw new Error(`${line}\nended with ${code}\n${stdout}\n${stderr}`);
  }

  /** Starts a line that does not end by itself. */
  async start(line: string, isReady: () => Promise<boolean>): Promise<void> {
    const args = ["-c", `exec ${inPlaceOfNames(line, this.names)}`];
    const log = join(this.folder, `service-${this.#services.length}.log`);
    const service = new Service("bash", args, log, { cwd: this.folder, env: this.#env });
    this.#services.push(service);
    await service.ready(isReady);
  }

  #prepare(): void {
    const at = (path: string) => join(this.folder, path);
    for (const path of ["bin", "home/.docker/cli-plugins", REGISTRIES])
      mkdirSync(at(path), { recursive: true });
    // What a checkout has, without its folders being written to.
    for (const name of ["package.json", "node_modules", "src", "migrations", "wrangler.toml"])
      symlinkSync(join(ROOT, name), at(name));
    this.#program("bin/docker", `exec ${CLIENT} "$@"`);
    this.#program("home/.docker/cli-plugins/docker-compose", COMPOSE);
    const storage = `--root '${at("podman")}' --runroot '${at("podman-run")}' --tmpdir '${at("podman-tmp")}'`;
    this.#program("bin/podman", `exec /usr/bin/podman ${storage} "$@"`);
    writeFileSync(at("account.yaml"), ACCOUNT);
    writeFileSync(at("Dockerfile"), "FROM scratch\nCOPY account.yaml /\n");
    writeFileSync(at(".dockerignore"), "*\n!Dockerfile\n!account.yaml\n");
    // As the pages have them.
    for (const { page, text, language } of snippets()) {
      if (language === "toml" && text.startsWith("[[registry]]"))
        writeFileSync(at(`${REGISTRIES}/berth.conf`), this.#insecure(text));
      if (language === "toml" && page === "docs/clients.md" && text.startsWith("server =")) this.#hosts(text);
      if (language === "json" && text.includes('"app-main"')) writeFileSync(at("rules.json"), text);
      if (language === "yaml" && text.startsWith("services:"))
        writeFileSync(at("compose.yaml"), inPlaceOfNames(text, this.names));
    }
  }

  /** The page's for the local registry, and the same again for the other one. */
  #insecure(text: string): string {
    const own = inPlaceOfNames(text, this.names);
    return `${own}\n${own.replace(this.names.registry, this.names.other)}`;
  }

  #hosts(text: string): void {
    const host = text.includes("docker.io") ? "docker.io" : this.names.registry;
    const folder = join(this.folder, "certs.d", host);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "hosts.toml"), inPlaceOfNames(text, this.names));
  }

  #program(name: string, script: string): void {
    const path = join(this.folder, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  /** What the pages take to be there: an image of one's own, and some in the other registry. */
  async #makeImages(workspace: string): Promise<void> {
    const { directory } = createBuildContext(workspace, 1000);
    const docker = (...args: string[]) => run(CLIENT, args, { env: this.#env });
    await docker("build", "--tag", "app", "--tag", "app:1", "--tag", "busybox", directory);
    const saved = join(this.folder, "saved.tar");
    await docker("save", "--output", saved, "app:1");
    const from = `docker-archive:${saved}`;
    const skopeo = (...to: string[]) =>
      run("skopeo", ["copy", "--format=oci", "--dest-tls-verify=false", from, ...to], { env: this.#env });
    for (const name of ["team/app:1", "team/base:1", "library/busybox", "acme/app:1", "acme/base:1"])
      await skopeo(`docker://${this.names.other}/${name}`);
    await skopeo(`oci-archive:${join(this.folder, "app.tar")}:app:1`);
    await run("podman", ["load", "--input", join(this.folder, "app.tar")], { env: this.#env });
    await run("podman", ["tag", "localhost/app:1", "localhost/app:latest"], { env: this.#env });
  }
}

function snippets() {
  return ["docs/clients.md", "docs/users.md"].flatMap(blocksOf);
}

/** Logging in with real clients: passwords (Basic) and, with public repositories, tokens (Bearer). */

import { mkdtempSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { attempt, type Result, run } from "./support/command.ts";
import { Containerd } from "./support/containerd.ts";
import { PASSWORD, send, USER } from "./support/login.ts";
import { faultsIn, type Registry, ROOT, startRegistry } from "./support/registry.ts";
import { smallImage, workspace } from "./support/shared.ts";

const dockerSocket = inject("dockerSocket");

const MODES = [
  ["passwords", []],
  ["tokens", ["PUBLIC_REPOSITORIES:library/**"]],
] as const;

describe.each(MODES)("with %s", (mode, variables) => {
  let registry: Registry;
  const home = mkdtempSync(join(workspace, "auth-"));

  /** docker with a configuration of its own, which knows only what it is told here. */
  function docker(...args: string[]): Promise<Result> {
    return attempt("/usr/bin/docker", args, {
      env: { DOCKER_HOST: `unix://${dockerSocket}`, DOCKER_CONFIG: home },
    });
  }
  async function login(user: string, password: string): Promise<Result> {
    const file = join(home, "password");
    writeFileSync(file, password);
    return attempt("sh", ["-c", `docker login -u ${user} --password-stdin ${registry.host} < ${file}`], {
      env: {
        DOCKER_HOST: `unix://${dockerSocket}`,
        DOCKER_CONFIG: home,
        PATH: `/usr/bin:${process.env.PATH}`,
      },
    });
  }
  async function user(command: string, password = ""): Promise<string> {
    const env = { BERTH_STATE: registry.state, TEST_PASSWORD: password };
    return run("sh", ["-c", `printf %s "$TEST_PASSWORD" | npm run --silent user -- ${command}`], {
      cwd: ROOT,
      env,
    });
  }
  /** podman's and skopeo's own flags; their login is per command. */
  function skopeo(...args: string[]): Promise<Result> {
    const env = { HOME: home, REGISTRY_AUTH_FILE: join(home, "none.json") };
    return attempt("skopeo", args, { env });
  }

  beforeAll(async () => {
    registry = await startRegistry(workspace, undefined, [...variables]);
    await user("add puller --repositories 'team/**' 'library/**' --actions pull", "pull only");
    await user("add teamster --repositories 'team/**' --actions pull push delete", "team only");
    await run("/usr/bin/docker", ["tag", smallImage.name, `${registry.host}/team/app:1`], {
      env: { DOCKER_HOST: `unix://${dockerSocket}`, DOCKER_CONFIG: home },
    });
    await docker("tag", smallImage.name, `${registry.host}/library/app:1`);
  });
  afterAll(async () => {
    expect(faultsIn(registry.service.log)).toEqual([]);
    // Nothing of a credential is in the log.
    for (const secret of [PASSWORD, "pull only", "team only", "Basic ", "Bearer "]) {
      const said = registry.service.log.split("\n").filter((line) => !line.includes("docker login -u admin"));
      expect(said.join("\n")).not.toContain(secret);
    }
    await registry.service.stop();
  });

  it("docker login takes the right password, and no other", async () => {
    const wrong = await login(USER, "wrong");
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/unauthorized|401/)]);
    expect((await login("nobody", "x")).code).toBe(1);
    expect((await login(USER, PASSWORD)).code).toBe(0);
  });

  it("docker pushes and pulls when logged in, and not after logout", async () => {
    for (const name of ["team/app:1", "library/app:1"]) {
      const pushed = await docker("push", `${registry.host}/${name}`);
      expect([pushed.code, pushed.stderr]).toEqual([0, ""]);
    }
    expect((await docker("logout", registry.host)).code).toBe(0);
    const refused = await docker("pull", `${registry.host}/team/app:1`);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/no basic auth|unauthorized|denied/),
    ]);
    expect((await docker("push", `${registry.host}/team/app:1`)).code).toBe(1);
  });

  it(mode === "tokens" ? "anybody pulls what is public" : "nobody pulls anonymously", async () => {
    const { code } = await docker("pull", `${registry.host}/library/app:1`);
    const inspected = await skopeo(
      "inspect",
      "--tls-verify=false",
      `docker://${registry.host}/library/app:1`,
    );
    expect([code, inspected.code]).toEqual(mode === "tokens" ? [0, 0] : [1, 1]);
  });

  it("who may only pull is refused a push with a message that docker shows", async () => {
    expect((await login("puller", "pull only")).code).toBe(0);
    expect((await docker("pull", `${registry.host}/team/app:1`)).code).toBe(0);
    const refused = await docker("push", `${registry.host}/team/app:1`);
    expect(refused.code).toBe(1);
    expect(refused.stdout + refused.stderr).toMatch(/denied: puller has no right to push here/);
  });

  it("who is limited to team/** neither reads nor writes outside it", async () => {
    const creds = "teamster:team only";
    const inside = [
      "inspect",
      "--tls-verify=false",
      "--creds",
      creds,
      `docker://${registry.host}/team/app:1`,
    ];
    expect((await skopeo(...inside)).code).toBe(0);
    const copy = (target: string) =>
      skopeo(
        ...[
          "copy",
          "--src-tls-verify=false",
          "--dest-tls-verify=false",
          "--src-creds",
          creds,
          "--dest-creds",
          creds,
        ],
        ...[`docker://${registry.host}/team/app:1`, `docker://${registry.host}/${target}`],
      );
    expect((await copy("team/copy:1")).code).toBe(0);
    const outside = await copy("elsewhere/app:1");
    expect([outside.code, outside.stderr]).toEqual([1, expect.stringMatching(/denied|403|forbidden/i)]);
  });

  it("podman logs in, pulls and is refused likewise", async () => {
    const env = { HOME: home, REGISTRY_AUTH_FILE: join(home, "podman.json") };
    const podman = (...args: string[]) =>
      attempt("podman", ["--root", join(home, "podman"), "--runroot", join(home, "podman-run"), ...args], {
        env,
      });
    const wrong = await podman("login", "--tls-verify=false", "-u", USER, "-p", "wrong", registry.host);
    expect(wrong.code).not.toBe(0);
    const right = await podman(
      "login",
      "--tls-verify=false",
      "-u",
      "puller",
      "-p",
      "pull only",
      registry.host,
    );
    expect([right.code, right.stdout]).toEqual([0, expect.stringContaining("Login Succeeded")]);
    expect((await podman("pull", "--tls-verify=false", `${registry.host}/team/app:1`)).code).toBe(0);
    const pushed = await podman("push", "--tls-verify=false", `${registry.host}/team/app:1`);
    expect([pushed.code, pushed.stderr]).toEqual([
      expect.any(Number),
      expect.stringMatching(/denied|no right/),
    ]);
    expect(pushed.code).not.toBe(0);
  });

  it("ctr pulls with a password, and only what is public without", async () => {
    const containerd = new Containerd(workspace);
    await containerd.ready();
    const pull = (...args: string[]) => containerd.ctr("auth", "images", "pull", "--plain-http", ...args);
    const creds = ["--user", `${USER}:${PASSWORD}`];
    expect(await pull(...creds, `${registry.host}/team/app:1`)).toContain("done");
    await expect(pull("--user", `${USER}:wrong`, `${registry.host}/team/app:1`)).rejects.toThrow(
      /401|unauthorized|failed/i,
    );
    const anonymous = pull(`${registry.host}/library/app:1`);
    if (mode === "tokens") expect(await anonymous).toContain("done");
    else await expect(anonymous).rejects.toThrow();
    await containerd.service.stop();
  });

  it("another key signs tokens at once, and the user's program tells the audit trail", async () => {
    await user("rotate-key --now");
    const told = await send(`http://${registry.host}/v2/_berth/audit?action=rotate-key`);
    expect(((await told.json()) as { events: unknown[] }).events).toMatchObject([{ detail: { now: true } }]);
    expect((await docker("pull", `${registry.host}/team/app:1`)).code).toBe(0);
  });

  it("removing a user ends access", async () => {
    expect((await login("teamster", "team only")).code).toBe(0);
    expect((await docker("pull", `${registry.host}/team/app:1`)).code).toBe(0);
    await user("remove teamster");
    const told = await send(`http://${registry.host}/v2/_berth/audit?action=remove-user`);
    expect(((await told.json()) as { events: unknown[] }).events).toMatchObject([
      {
        actor: `${hostname()}#${userInfo().username}`,
        credential: "command line",
        reference: "teamster",
        outcome: "done",
      },
    ]);
    expect((await docker("pull", `${registry.host}/team/app:1`)).code).toBe(1);
    expect((await login("teamster", "team only")).code).toBe(1);
  });
});

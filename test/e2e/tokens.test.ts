/** Machine tokens and sign-in from CI with real clients, where the registry asks for passwords and for tokens. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type RunningIssuer, startIssuer } from "../support/issuer.ts";
import { attempt, type Result, run } from "./support/command.ts";
import { Containerd } from "./support/containerd.ts";
import { ContainerTools } from "./support/containers.ts";
import { BERTH } from "./support/edge.ts";
import { createBuildContext } from "./support/image.ts";
import { AUTHORIZATION, send } from "./support/login.ts";
import { faultsIn, type Registry, ROOT, startRegistry } from "./support/registry.ts";
import { docker as daemon, workspace } from "./support/shared.ts";

const dockerSocket = inject("dockerSocket");
const SUB = "repo:team/app:ref:refs/heads/main";
const ACCESS = [{ repositories: ["team/**"], actions: ["pull", "push"] }];

const MODES = [
  ["passwords", []],
  ["tokens", ["PUBLIC_REPOSITORIES:library/**"]],
] as const;

/** How clients tell of a 403; a HEAD has no body that says more. */
const FORBIDDEN = /denied|403/i;

/** Small, as it goes through every client under every credential. */
const IMAGE = "token-fixture";

let issuer: RunningIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
  await daemon.build(createBuildContext(workspace, 1024 ** 2).directory, IMAGE);
});
afterAll(() => issuer.close());

describe.each(MODES)("where the registry asks for %s", (_, variables) => {
  let registry: Registry;
  let url = "";
  let machineToken = "";
  const secrets: string[] = [];
  const home = mkdtempSync(join(workspace, "tokens-"));
  const env = {
    DOCKER_HOST: `unix://${dockerSocket}`,
    DOCKER_CONFIG: home,
    PATH: `/usr/bin:${process.env.PATH}`,
  };

  function docker(...args: string[]): Promise<Result> {
    return attempt("/usr/bin/docker", args, { env });
  }
  function login(user: string, password: string): Promise<Result> {
    const file = join(home, "password");
    writeFileSync(file, password);
    const command = `docker login -u ${user} --password-stdin ${registry.host} < ${file}`;
    return attempt("sh", ["-c", command], { env });
  }
  /** skopeo, which knows no other credentials than these. */
  function inspect(credentials: string): Promise<Result> {
    const options = ["--tls-verify=false", "--creds", credentials];
    const logins = { HOME: home, REGISTRY_AUTH_FILE: join(home, "none.json") };
    return attempt("skopeo", ["inspect", ...options, `docker://${registry.host}/team/app:1`], {
      env: logins,
    });
  }
  async function idToken(): Promise<string> {
    const body = JSON.stringify({ sub: SUB });
    const token = await (await fetch(`${issuer.url}/e2e/sign`, { method: "POST", body })).text();
    secrets.push(token);
    return token;
  }
  async function exchange(): Promise<string> {
    const body = new URLSearchParams({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      subject_token: await idToken(),
    });
    const response = await fetch(`${url}/v2/token`, { method: "POST", body });
    const { access_token } = (await response.json()) as { access_token: string };
    secrets.push(access_token);
    return access_token;
  }

  beforeAll(async () => {
    const oidc = [`OIDC_ISSUERS:${issuer.url}/e2e`, "OIDC_AUDIENCE:registry.test"];
    registry = await startRegistry(workspace, undefined, [...variables, ...oidc]);
    url = `http://${registry.host}`;
    const body = JSON.stringify({ name: "ci", access: ACCESS, expiresIn: 3600 });
    const made = await send(`${url}/v2/_berth/tokens`, { method: "POST", body });
    machineToken = ((await made.json()) as { token: string }).token;
    secrets.push(machineToken);
    const rules = join(home, "rules.json");
    const rule = { issuer: `${issuer.url}/e2e`, claims: { sub: SUB }, access: ACCESS };
    writeFileSync(rules, JSON.stringify({ main: rule }));
    const state = { BERTH_STATE: registry.state };
    await run("sh", ["-c", `npm run --silent user -- rules --import ${rules}`], { cwd: ROOT, env: state });
    for (const name of ["team/app:1", "other/app:1"]) await docker("tag", IMAGE, `${registry.host}/${name}`);
  });
  afterAll(async () => {
    expect(faultsIn(registry.service.log)).toEqual([]);
    for (const secret of secrets) expect(registry.service.log).not.toContain(secret);
    await registry.service.stop();
  });

  it.each([
    ["a machine token", "admin", async () => machineToken],
    ["a token of the issuer", "oidc", idToken],
    ["the token that it is exchanged for", "oidc", exchange],
  ])(
    "docker logs in with %s, pushes and pulls what it opens, and nothing else",
    async (_what, user, password) => {
      expect(await login(user, await password())).toMatchObject({ code: 0 });
      const pushed = await docker("push", `${registry.host}/team/app:1`);
      expect([pushed.code, pushed.stderr]).toEqual([0, ""]);
      expect((await docker("pull", `${registry.host}/team/app:1`)).code).toBe(0);
      const refused = await docker("push", `${registry.host}/other/app:1`);
      expect([refused.code, refused.stdout + refused.stderr]).toEqual([1, expect.stringMatching(/denied/)]);
      await docker("logout", registry.host);
    },
  );

  describe.each([
    ["a machine token", "admin", async () => machineToken],
    ["the token that CI is given", "oidc", exchange],
  ])("with %s as its password", (_what, user, makePassword) => {
    const tools = new ContainerTools(workspace, false);
    const target = (name: string) => `${registry.host}/${name}:1`;
    let password = "";
    let credentials = "";
    beforeAll(async () => {
      password = await makePassword();
      credentials = `${user}:${password}`;
    });

    it("podman logs in, pushes and pulls what it opens, and nothing else", async () => {
      const insecure = "--tls-verify=false";
      await tools.podman("login", insecure, "-u", user, "-p", password, registry.host);
      await tools.podman("pull", insecure, target("team/app"));
      const digest = await tools.push("podman", target("team/app"), target("team/podman"));
      await tools.podman("rmi", "--all", "--force");
      await tools.podman("pull", insecure, `${registry.host}/team/podman@${digest}`);
      await tools.podman("tag", `${registry.host}/team/podman@${digest}`, target("other/app"));
      await expect(tools.podman("push", insecure, target("other/app"))).rejects.toThrow(FORBIDDEN);
      await tools.podman("logout", registry.host);
    });

    it("skopeo copies what it opens, and nothing else", async () => {
      const copy = (to: string) =>
        tools.copy(
          `docker://${target("team/app")}`,
          `docker://${target(to)}`,
          ...["--src-creds", credentials, "--dest-creds", credentials],
        );
      expect(await copy("team/skopeo")).toMatch(/^sha256:/);
      await expect(copy("other/skopeo")).rejects.toThrow(FORBIDDEN);
    });

    it("containerd pulls and pushes what it opens, and nothing else", async () => {
      const containerd = new Containerd(workspace);
      await containerd.ready();
      const images = (verb: string, name: string) =>
        containerd.ctr("auth", "images", verb, "--plain-http", "--user", credentials, target(name));
      expect(await images("pull", "team/app")).toContain("done");
      for (const name of ["team/containerd", "other/app"])
        await containerd.ctr("auth", "images", "tag", target("team/app"), target(name));
      await images("push", "team/containerd");
      await expect(images("push", "other/app")).rejects.toThrow(FORBIDDEN);
      await containerd.service.stop();
    });

    it("berth push brings what it opens, and nothing else", async () => {
      const folder = mkdtempSync(join(workspace, "berth-"));
      writeFileSync(join(folder, "password"), password);
      const layout = join(folder, "layout");
      const source = `docker://${target("team/app")}`;
      const digest = await tools.copy(source, `oci:${layout}:1`, "--src-creds", credentials);
      const push = (name: string) => {
        const command = `${process.execPath} ${BERTH} push ${layout} ${target(name)}`;
        const login = `--username ${user} --password-stdin < ${folder}/password`;
        const env = { DOCKER_CONFIG: folder, XDG_CACHE_HOME: join(folder, "cache") };
        return attempt("sh", ["-c", `${command} ${login}`], { env });
      };
      expect(await push("team/berth")).toMatchObject({
        code: 0,
        stdout: `${target("team/berth")}@${digest}\n`,
      });
      expect(await push("other/app")).toMatchObject({ code: 1, stderr: expect.stringMatching(FORBIDDEN) });
    });
  });

  it("what is revoked is refused at once, and what is made up too", async () => {
    expect((await inspect(`admin:${machineToken}`)).code).toBe(0);
    expect((await send(`${url}/v2/_berth/tokens/ci`, { method: "DELETE" })).status).toBe(204);
    for (const credentials of [`admin:${machineToken}`, "oidc:eyJ.eyJ.x"]) {
      const { code, stderr } = await inspect(credentials);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/unauthorized|invalid username\/password/)]);
    }
    expect((await login("admin", machineToken)).code).toBe(1);
  });
});

describe("a registry on this machine that is asked by another name, without TLS", () => {
  function ask(port: number, host: string, more: Record<string, string> = {}): Promise<number> {
    const headers = { Host: host, Authorization: AUTHORIZATION, ...more };
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path: "/v2/", headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .once("error", reject)
        .end();
    });
  }

  it("refuses, unless ALLOW_HTTP says otherwise, or a proxy on this machine that TLS has ended there", async () => {
    for (const [variables, expected] of [
      [[], 403],
      [["ALLOW_HTTP:true"], 200],
    ] as const) {
      const registry = await startRegistry(workspace, undefined, [...variables]);
      expect(await ask(registry.port, "registry.lan:5000")).toBe(expected);
      expect(await ask(registry.port, "registry.lan", { "X-Forwarded-Proto": "https" })).toBe(200);
      for (const host of [registry.host, `localhost:${registry.port}`])
        expect(await ask(registry.port, host)).toBe(200);
      await registry.service.stop();
    }
  });
});

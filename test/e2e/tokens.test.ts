/** Machine tokens and sign-in from CI with real clients, where the registry asks for passwords and for tokens. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type RunningIssuer, startIssuer } from "../support/issuer.ts";
import { attempt, type Result, run } from "./support/command.ts";
import { Containerd } from "./support/containerd.ts";
import { AUTHORIZATION, send } from "./support/login.ts";
import { faultsIn, type Registry, ROOT, startRegistry } from "./support/registry.ts";
import { image, workspace } from "./support/shared.ts";

const dockerSocket = inject("dockerSocket");
const SUB = "repo:team/app:ref:refs/heads/main";
const ACCESS = [{ repositories: ["team/**"], actions: ["pull", "push"] }];

const MODES = [
  ["passwords", []],
  ["tokens", ["PUBLIC_REPOSITORIES:library/**"]],
] as const;

let issuer: RunningIssuer;
beforeAll(async () => {
  issuer = await startIssuer();
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
    for (const name of ["team/app:1", "other/app:1"])
      await docker("tag", image.name, `${registry.host}/${name}`);
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

  it("skopeo and containerd take the same credentials", async () => {
    const containerd = new Containerd(workspace);
    await containerd.ready();
    for (const credentials of [`admin:${machineToken}`, `oidc:${await exchange()}`]) {
      expect((await inspect(credentials)).code).toBe(0);
      const pull = ["images", "pull", "--plain-http", "--user", credentials, `${registry.host}/team/app:1`];
      expect(await containerd.ctr("auth", ...pull)).toContain("done");
    }
    await containerd.service.stop();
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
  function ask(port: number, host: string): Promise<number> {
    const headers = { Host: host, Authorization: AUTHORIZATION, "X-Forwarded-Proto": "https" };
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path: "/v2/", headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .once("error", reject)
        .end();
    });
  }

  it("refuses, unless ALLOW_HTTP says otherwise", async () => {
    for (const [variables, expected] of [
      [[], 403],
      [["ALLOW_HTTP:true"], 200],
    ] as const) {
      const registry = await startRegistry(workspace, undefined, [...variables]);
      expect(await ask(registry.port, "registry.lan:5000")).toBe(expected);
      for (const host of [registry.host, `localhost:${registry.port}`])
        expect(await ask(registry.port, host)).toBe(200);
      await registry.service.stop();
    }
  });
});

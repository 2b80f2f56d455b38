/** `npm start -- --https`: TLS on this machine, with clients that verify it. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPage } from "../support/pages.ts";
import { headManifest } from "./support/api.ts";
import { attempt, run } from "./support/command.ts";
import { ContainerTools } from "./support/containers.ts";
import { AUTHORIZATION, logInTo, PASSWORD } from "./support/login.ts";
import { freePort } from "./support/ports.ts";
import { faultsIn, ROOT } from "./support/registry.ts";
import { Service } from "./support/service.ts";
import { docker, host as plain, smallImage, workspace } from "./support/shared.ts";

const state = mkdtempSync(join(workspace, "https-"));
/** Where podman and skopeo look for what signs a registry's certificate: any name that ends in .crt. */
const trusted = join(mkdtempSync(join(workspace, "trusted-")), "certs");
let port = 0;
let service: Service;
let host = "";

function start(...args: string[]): Service {
  const env = { PORT: String(port), BERTH_STATE: state, BERTH_ADMIN_PASSWORD: PASSWORD };
  return new Service("npm", ["start", "--", ...args], `${state}.log`, { cwd: ROOT, env });
}

/** @param ca what to trust besides */
function statusOf(ca?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: AUTHORIZATION };
    request(`https://${host}/v2/`, { ca, headers }, ({ statusCode = 0 }) => resolve(statusCode))
      .once("error", reject)
      .end();
  });
}

beforeAll(async () => {
  port = await freePort();
  host = `127.0.0.1:${port}`;
  // With anything public it asks for tokens, as registries elsewhere do.
  service = start("--https", "--var", "PUBLIC_REPOSITORIES:public/**");
  await service.ready(async () => service.log.includes("docker push"));
  mkdirSync(trusted);
  copyFileSync(join(state, "tls/ca.crt"), join(trusted, "ca.crt"));
});
afterAll(() => service.stop());

describe("npm start -- --https", () => {
  const tools = new ContainerTools(workspace);

  it("serves with a certificate of its own, whose key only this user can read", async () => {
    await expect(statusOf()).rejects.toThrow(/self-signed/);
    expect(await statusOf(readFileSync(join(trusted, "ca.crt"), "utf8"))).toBe(200);
    expect((statSync(join(state, "tls/key.pem")).mode & 0o777).toString(8)).toBe("600");
    expect(service.log).toContain(`Its certificate is ${join(state, "tls/ca.crt")}`);
  });

  it("is pushed to by docker, and pulled from by podman and skopeo, which verify it", async () => {
    const source = `${host}/tls/image:1`;
    const digest = await docker.push(smallImage.name, source);
    await tools.podman("pull", "--cert-dir", trusted, source);
    expect(await tools.podman("run", "--rm", "--network=none", "--pull=never", source)).toBe(
      smallImage.output,
    );
    const inspected = await tools.skopeo("inspect", "--cert-dir", trusted, `docker://${source}`);
    expect(JSON.parse(inspected).Digest).toBe(digest);
    await tools.podman("push", "--cert-dir", trusted, source, `docker://${host}/tls/again:1`);
    const page = readPage("docs/clients.md");
    for (const [registry, said] of [
      [host, "x509: certificate signed by unknown authority"],
      [plain, "http: server gave HTTP response to HTTPS client"],
    ] as const) {
      await expect(tools.podman("pull", `${registry}/tls/again:1`)).rejects.toThrow(said);
      // The page says what to do then.
      expect(page).toContain(`| \`${said}\` |`);
    }
  });

  it("is imported from by whoever trusts its certificate, with tokens and a login of docker's", async () => {
    const home = mkdtempSync(join(workspace, "https-home-"));
    logInTo(join(home, "config.json"), [host, plain]);
    const berth = (env: Record<string, string>, from = `https://${host}`) =>
      attempt(
        process.execPath,
        [join(ROOT, "src/cli/berth.js"), "import", `${from}/tls`, "--registry", plain],
        {
          env: { DOCKER_CONFIG: home, ...env },
        },
      );
    expect((await berth({}, host)).stderr).toContain(`write https://${host} if that is meant`);
    const began = Date.now();
    const refused = await berth({});
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^berth: .*certificate.*\n$/)]);
    expect(refused.stderr).toContain("NODE_EXTRA_CA_CERTS");
    expect(Date.now() - began).toBeLessThan(20_000);
    const { code, stdout, stderr } = await berth({ NODE_EXTRA_CA_CERTS: join(trusted, "ca.crt") });
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^2 tags copied/);
    const { digest } = await headManifest(plain, "tls/image", "1");
    const inspected = await tools.skopeo("inspect", "--cert-dir", trusted, `docker://${host}/tls/image:1`);
    expect(digest).toBe(JSON.parse(inspected).Digest);
  });

  it("leaves a clean log, but for who does not trust it", () => {
    expect(faultsIn(service.log).filter((line) => !line.includes("TLS handshake failed"))).toEqual([]);
  });

  it("keeps its certificate, and takes another one where that is given", async () => {
    const before = readFileSync(join(state, "tls/ca.crt"), "utf8");
    await service.stop();
    service = start("--https");
    await service.ready(async () => (await statusOf(before)) === 200);
    await service.stop();

    const [key, certificate] = [join(state, "own.key"), join(state, "own.crt")];
    const names = ["-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1"];
    const made = ["-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate];
    await run("openssl", ["req", "-x509", "-days", "2", ...names, ...made]);
    service = start("--https-cert", certificate, "--https-key", key);
    await service.ready(async () => (await statusOf(readFileSync(certificate, "utf8"))) === 200);
    await expect(statusOf(before)).rejects.toThrow();
  });
});

describe("what cannot be served with", () => {
  it.each([
    [["--https-cert", "a.crt"], "berth: --https-cert and --https-key go together.\n"],
    [["--https-cert", "a.crt", "--https-key", "a.key"], "berth: There is no file a.crt.\n"],
  ])("%j is said before anything is started", async (args, said) => {
    const { code, stderr } = await attempt("npm", ["start", "--silent", "--", ...args], { cwd: ROOT });
    expect([code, stderr]).toEqual([2, said]);
  });

  it("without openssl the way out is said", async () => {
    const state = mkdtempSync(join(workspace, "https-"));
    const berth = join(ROOT, "src/cli/berth.js");
    const env = { PATH: "/nowhere", PORT: String(await freePort()), BERTH_STATE: state };
    const { code, stderr } = await attempt(process.execPath, [berth, "start", "--https"], { cwd: ROOT, env });
    expect(code).toBe(1);
    expect(stderr).toContain("made by openssl, which is not here");
    expect(stderr).toContain("--https-cert FILE --https-key FILE");
  });
});

/** Quotas as a team meets them: what docker says, and who holds what. */

import { beforeAll, describe, expect, it } from "vitest";
import { headManifest } from "./support/api.ts";
import { run } from "./support/command.ts";
import { ContainerTools } from "./support/containers.ts";
import { PASSWORD, send, USER } from "./support/login.ts";
import { ROOT } from "./support/registry.ts";
import { docker, host, image, itLeavesACleanLog, workspace } from "./support/shared.ts";

const tools = new ContainerTools(workspace);

/** `npm run`, with the credentials that docker would have. */
function npm(script: string, ...args: string[]): Promise<string> {
  const quoted = args.map((arg) => `'${arg}'`).join(" ");
  const program = `npm run --silent ${script} -- ${quoted} --username ${USER} --password-stdin`;
  return run("sh", ["-c", `printf %s '${PASSWORD}' | ${program} --registry http://${host}`], { cwd: ROOT });
}

/** What a client says that has to fail. */
async function complaintOf(work: Promise<string>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: Error) => thrown,
  );
  return error?.message ?? "it went through";
}

const FULL = /the quota team has no room for this/;

describe("a quota", () => {
  beforeAll(async () => {
    await npm("quota", "set", "team", "--repositories", "quota/**", "--bytes", "10MB");
  });

  it("refuses an image that is larger, and docker shows why", async () => {
    expect(await complaintOf(docker.push(image.name, `${host}/quota/app:1`))).toMatch(FULL);
    expect((await headManifest(host, "quota/app", "1")).status).toBe(404);
  });

  it("refuses it by podman and skopeo too, which show why", async () => {
    const daemon = await docker.push(image.name, `${host}/free/app:1`);
    expect(daemon).toMatch(/^sha256:/);
    const [from, to] = [`docker://${host}/free/app:1`, `docker://${host}/quota/copy:1`];
    expect(await complaintOf(tools.copy(from, to))).toMatch(FULL);
    await tools.podman("pull", "--tls-verify=false", `${host}/free/app:1`);
    const push = tools.podman("push", "--tls-verify=false", `${host}/free/app:1`, to);
    expect(await complaintOf(push)).toMatch(FULL);
  });

  it("never holds more than it allows", async () => {
    const response = await send(`http://${host}/v2/_berth/quotas`);
    const [team] = ((await response.json()) as { quotas: { used: number }[] }).quotas;
    expect(team?.used).toBeLessThanOrEqual(10_000_000);
  });

  it("takes the image when it allows enough, and counts what two repositories share once", async () => {
    await npm("quota", "set", "team", "--repositories", "quota/**", "--bytes", "200MB");
    const digest = await docker.push(image.name, `${host}/quota/app:1`);
    expect(await docker.push(image.name, `${host}/quota/again:1`)).toBe(digest);
    expect((await headManifest(host, "quota/again", "1")).digest).toBe(digest);
    expect(await npm("quota", "list")).toMatch(
      /^team: quota\/\*\* may hold 200\.0 MB, and hold 1[56]\d\.\d MB$/,
    );
  });

  it("and usage lists who holds it, the largest first", async () => {
    const lines = (await npm("usage")).split("\n").filter((line) => line.includes("quota/a"));
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toMatch(/ 1[56]\d\.\d MB {2}quota\/\w+ {2}of admin {2}\d+ blobs, 1 manifest/);
    await npm("quota", "remove", "team");
    expect(await npm("quota", "list")).toBe("");
  });

  itLeavesACleanLog();
});

/** Quotas as a team meets them: what docker says, and who holds what. */

import { beforeAll, describe, expect, it } from "vitest";
import { headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { send } from "./support/login.ts";
import { complaintOf, runAgainst } from "./support/programs.ts";
import { docker, host, itLeavesACleanLog, smallImage, workspace } from "./support/shared.ts";

const tools = new ContainerTools(workspace);

const FULL = /the quota team has no room for this/;

describe("a quota", () => {
  beforeAll(async () => {
    await runAgainst(host, "quota", "set", "team", "--repositories", "quota/**", "--bytes", "10MB");
  });

  it("refuses an image that is larger, and docker shows why", async () => {
    expect(await complaintOf(docker.push(smallImage.name, `${host}/quota/app:1`))).toMatch(FULL);
    expect((await headManifest(host, "quota/app", "1")).status).toBe(404);
  });

  it("refuses it by podman and skopeo too, which show why", async () => {
    const daemon = await docker.push(smallImage.name, `${host}/free/app:1`);
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
    await runAgainst(host, "quota", "set", "team", "--repositories", "quota/**", "--bytes", "20MB");
    const digest = await docker.push(smallImage.name, `${host}/quota/app:1`);
    expect(await docker.push(smallImage.name, `${host}/quota/again:1`)).toBe(digest);
    expect((await headManifest(host, "quota/again", "1")).digest).toBe(digest);
    expect(await runAgainst(host, "quota", "list")).toMatch(
      /^team: quota\/\*\* may hold 20\.0 MB, and hold 1[2-7]\.\d MB$/,
    );
  });

  it("and usage lists who holds it, the largest first", async () => {
    const lines = (await runAgainst(host, "usage")).split("\n").filter((line) => line.includes("quota/a"));
    expect(lines).toHaveLength(2);
    for (const line of lines)
      expect(line).toMatch(/ 1[2-7]\.\d MB {2}quota\/\w+ {2}of admin {2}\d+ blobs, 1 manifest/);
    await runAgainst(host, "quota", "remove", "team");
    expect(await runAgainst(host, "quota", "list")).toBe("");
  });

  itLeavesACleanLog();
});

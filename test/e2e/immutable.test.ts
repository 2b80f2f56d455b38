/** Immutable tags as a team meets them: what each client says, and that nothing has moved. */

import { beforeAll, describe, expect, it } from "vitest";
import { headManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { complaintOf, runAgainst } from "./support/programs.ts";
import { docker, host, itLeavesACleanLog, smallImage, workspace } from "./support/shared.ts";

const OTHER = "immutable-other:1";
const tools = new ContainerTools(workspace);
let first = "";

const KEPT = /the policy releases keeps the tag v1 as it is/;

describe("an immutable tag", () => {
  beforeAll(async () => {
    await docker.run("create", "--name", "immutable", smallImage.name);
    await docker.run("commit", "--change", "LABEL other=yes", "immutable", OTHER);
    await docker.run("rm", "immutable");
    await runAgainst(host, "policy", "set", "releases", "--repositories", "immutable/**", "--tags", "v*");
    first = await docker.push(smallImage.name, `${host}/immutable/app:v1`);
    await docker.push(OTHER, `${host}/immutable/app:latest`);
  });

  it("can be pushed again with the same image", async () => {
    expect(await docker.push(smallImage.name, `${host}/immutable/app:v1`)).toBe(first);
  });

  it("does not move by docker, which shows why", async () => {
    expect(await complaintOf(docker.push(OTHER, `${host}/immutable/app:v1`))).toMatch(KEPT);
    expect((await headManifest(host, "immutable/app", "v1")).digest).toBe(first);
  });

  it("does not move by podman, which shows why", async () => {
    await tools.podman("pull", "--tls-verify=false", `${host}/immutable/app:latest`);
    const push = tools.podman(
      ...["push", "--tls-verify=false", `${host}/immutable/app:latest`],
      `docker://${host}/immutable/app:v1`,
    );
    expect(await complaintOf(push)).toMatch(KEPT);
    expect((await headManifest(host, "immutable/app", "v1")).digest).toBe(first);
  });

  it("is neither retagged nor deleted by skopeo, which shows why", async () => {
    const [latest, v1] = ["latest", "v1"].map((tag) => `docker://${host}/immutable/app:${tag}`) as [
      string,
      string,
    ];
    expect(await complaintOf(tools.copy(latest, v1))).toMatch(KEPT);
    expect(await complaintOf(tools.skopeo("delete", "--tls-verify=false", v1))).toMatch(KEPT);
    expect((await headManifest(host, "immutable/app", "v1")).digest).toBe(first);
  });

  it("leaves other tags free", async () => {
    expect(await docker.push(smallImage.name, `${host}/immutable/app:latest`)).toBe(first);
  });

  it("moves when the policy is gone", async () => {
    expect(await runAgainst(host, "policy", "list")).toBe(
      "releases: in immutable/** the tags v* do not move",
    );
    await runAgainst(host, "policy", "remove", "releases");
    const second = await docker.push(OTHER, `${host}/immutable/app:v1`);
    expect(second).not.toBe(first);
    expect((await headManifest(host, "immutable/app", "v1")).digest).toBe(second);
  });

  itLeavesACleanLog();
});

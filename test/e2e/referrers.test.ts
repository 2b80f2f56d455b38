/** Artifacts that belong to an image: signatures, SBOMs and the like. */

import { beforeAll, describe, expect, it } from "vitest";
import { getReferrers, headManifest, pushBlob, putManifest } from "./support/api.ts";
import { ContainerTools } from "./support/containers.ts";
import { docker, host, itLeavesACleanLog, smallImage, workspace } from "./support/shared.ts";

const name = "referrers/image";
const SBOM = "application/vnd.example.sbom";
const SIGNATURE = "application/vnd.example.signature";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

describe("artifacts with a subject", () => {
  const tools = new ContainerTools(workspace);
  let subject = { mediaType: "", digest: "", size: 0 };

  beforeAll(async () => {
    await docker.push(smallImage.name, `${host}/${name}:1`);
    const { mediaType, digest, length } = await headManifest(host, name, "1");
    subject = { mediaType, digest, size: length };
  });

  async function attach(artifactType: string, content: string): Promise<string> {
    const config = { ...(await pushBlob(host, name, "{}")), mediaType: "application/vnd.oci.empty.v1+json" };
    const layer = { ...(await pushBlob(host, name, content)), mediaType: artifactType };
    const manifest = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType,
      config,
      layers: [layer],
      subject,
      annotations: { "org.example.content": content },
    };
    const response = await putManifest(host, name, `for-${content}`, manifest);
    expect(response.headers.get("OCI-Subject")).toBe(subject.digest);
    return response.headers.get("Docker-Content-Digest") ?? "";
  }

  it("are listed as referrers of what docker pushed, with their type and annotations", async () => {
    expect(await getReferrers(host, name, subject.digest)).toEqual([]);
    const sbom = await attach(SBOM, "sbom");
    const signature = await attach(SIGNATURE, "signature");

    const referrers = await getReferrers(host, name, subject.digest);
    expect(referrers.map(({ digest }) => digest).sort()).toEqual([sbom, signature].sort());
    expect(await getReferrers(host, name, subject.digest, SBOM)).toEqual([
      {
        mediaType: OCI_MANIFEST,
        digest: sbom,
        size: (await headManifest(host, name, sbom)).length,
        artifactType: SBOM,
        annotations: { "org.example.content": "sbom" },
      },
    ]);
  });

  it("are pulled by a client as any image is", async () => {
    const raw = await tools.skopeo(
      "inspect",
      "--raw",
      "--tls-verify=false",
      `docker://${host}/${name}:for-sbom`,
    );
    expect(JSON.parse(raw)).toMatchObject({ artifactType: SBOM, subject });
  });

  it("are gone from the list once a client has deleted them", async () => {
    await tools.skopeo("delete", "--tls-verify=false", `docker://${host}/${name}:for-sbom`);
    const types = (await getReferrers(host, name, subject.digest)).map(({ artifactType }) => artifactType);
    expect(types).toEqual([SIGNATURE]);
  });

  it("stay listed after their subject was deleted, and find it again when it comes back", async () => {
    await tools.skopeo("delete", "--tls-verify=false", `docker://${host}/${name}:1`);
    expect(await getReferrers(host, name, subject.digest)).toHaveLength(1);
    expect(await docker.push(smallImage.name, `${host}/${name}:1`)).toBe(subject.digest);
    expect(await getReferrers(host, name, subject.digest)).toHaveLength(1);
  });

  itLeavesACleanLog();
});

/** What the registry under test holds: enough to be looked at, and one image that tries to break out. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { ROOT } from "../../e2e/support/registry.ts";
import type { clientOf } from "../../support/client.ts";
import { noise, sha256 } from "../../support/content.ts";
import {
  descriptorOf,
  digestOfManifest,
  imageOf,
  indexOf,
  manifestDescriptor,
} from "../../support/manifests.ts";

type Client = ReturnType<typeof clientOf>;

/** What would run if a page took it for more than a text. It sets the page's title. */
export const HOSTILE = `"><script>document.title="pwned"</script><img src=x onerror='document.title="pwned"'>`;

const README = `# Storefront

The shop's **web server**. It listens on port \`8080\`.

- [Source](https://example.test/storefront)
- Ask the *storefront* team

\`\`\`
docker run -p 8080:8080 storefront
\`\`\`
`;

function configOf(version: number, architecture: string): string {
  return JSON.stringify({
    architecture,
    os: "linux",
    created: "2026-11-20T10:00:00Z",
    config: {
      User: version < 3 ? "root" : "app",
      Entrypoint: ["/usr/bin/storefront"],
      Cmd: ["--port", "8080"],
      Env: ["PATH=/usr/bin:/bin", `RELEASE=1.${version}.0`],
      ExposedPorts: { "8080/tcp": {} },
      Labels: {
        "org.opencontainers.image.source": "https://example.test/storefront",
        maintainer: "storefront team",
      },
    },
    history: [
      { created_by: "/bin/sh -c #(nop) ADD file:debian in / " },
      { created_by: "RUN apt-get install --yes storefront" },
      { created_by: `COPY release-1.${version}.0 /usr/share/storefront` },
    ],
  });
}

const BASE = noise(400_000, 7);

async function pushVersion(
  client: Client,
  name: string,
  version: number,
  architecture: string,
  tags: string[],
) {
  const config = configOf(version, architecture);
  const own = createHash("sha256").update(architecture).digest()[0] ?? 0;
  const layers = [BASE, noise(120_000, 20 + own), noise(30_000 * version, 300 + version + own)];
  for (const content of [config, ...layers]) await client.postBlob(name, content);
  const manifest = imageOf(config, layers, { annotations: { "com.example.readme": README } });
  for (const tag of tags) await put(client, name, tag, manifest);
  return manifest;
}

async function put(client: Client, name: string, reference: string, manifest: object): Promise<void> {
  const response = await client.putManifest(name, reference, manifest);
  if (response.status !== 201)
    throw new Error(`PUT ${name} ${reference}: ${response.status} ${await response.text()}`);
}

const PULLED = [
  ["team/storefront", "latest"],
  ["team/storefront", "1.4.0"],
  ["team/api", "latest"],
  ["library/busybox", "latest"],
] as const;

export async function fill(client: Client): Promise<void> {
  for (let version = 1; version <= 4; version++)
    await pushVersion(client, "team/storefront", version, "amd64", [`1.${version}.0`]);
  const platforms = [];
  for (const architecture of ["amd64", "arm64"]) {
    const manifest = await pushVersion(client, "team/storefront", 5, architecture, []);
    await put(client, "team/storefront", digestOfManifest(manifest), manifest);
    platforms.push({ ...manifestDescriptor(manifest), platform: { os: "linux", architecture } });
  }
  const index = indexOf([], { manifests: platforms });
  await put(client, "team/storefront", "1.5.0", index);
  await put(client, "team/storefront", "latest", index);
  await attach(client, index);
  for (const name of ["team/api", "team/worker", "library/busybox", "tools/lint", "tools/build"])
    await pushVersion(client, name, 2, "amd64", ["latest", "1.2.0"]);
  await pushHostile(client);
  await pushFiles(client);
  // Somebody pulls some of it.
  for (const [name, tag] of PULLED) await client.send("GET", `/v2/${name}/manifests/${tag}`);
}

/** An image with a layer that is an archive. */
async function pushFiles(client: Client): Promise<void> {
  const layer = Uint8Array.from(execFileSync("tar", ["-cz", "-C", ROOT, "src/oci"]));
  for (const content of ["config", layer]) await client.postBlob("tools/files", content);
  await put(client, "tools/files", "latest", imageOf("config", [layer]));
}

/** A signature of an index, and its SBOM. */
async function attach(client: Client, index: object): Promise<void> {
  const empty = "{}";
  await client.postBlob("team/storefront", empty);
  for (const artifactType of ["application/vnd.dev.cosign.artifact.sig.v1+json", "application/spdx+json"]) {
    const manifest = {
      ...imageOf(empty, [empty]),
      ...{ artifactType, subject: manifestDescriptor(index) },
    };
    await put(client, "team/storefront", sha256(JSON.stringify(manifest)), manifest);
  }
}

async function pushHostile(client: Client): Promise<void> {
  const config = JSON.stringify({
    ...{ os: HOSTILE, architecture: HOSTILE, author: HOSTILE },
    config: {
      User: HOSTILE,
      Env: [`X=${HOSTILE}`],
      Labels: { [HOSTILE]: HOSTILE, link: "javascript:alert(1)" },
    },
    history: [{ created_by: HOSTILE }],
  });
  for (const content of [config, "layer"]) await client.postBlob("zoo/hostile", content);
  const annotations = { [HOSTILE]: HOSTILE, readme: `${HOSTILE}\n[x](javascript:document.title="pwned")` };
  const manifest = { ...imageOf(config, []), layers: [descriptorOf("layer", "x")], annotations };
  await put(client, "zoo/hostile", "latest", manifest);
}

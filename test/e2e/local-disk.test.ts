/** What docs/local-disk.md says of a state that R2's simulator has filled. */

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { hashBlob, pushBlob, putManifest } from "./support/api.ts";
import { berth } from "./support/edge.ts";
import { freePort } from "./support/ports.ts";
import { startRegistry } from "./support/registry.ts";
import { workspace } from "./support/shared.ts";

const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

it("a state of R2's simulator is out of reach, until its bytes are moved into the folder", async () => {
  const at = { port: await freePort(), state: mkdtempSync(join(workspace, "moved-")) };
  const before = await startRegistry(workspace, at, ["STORE:r2"]);
  const layer = await pushBlob(before.host, "app", "a layer".repeat(1000));
  const config = await pushBlob(before.host, "app", "{}");
  const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
  await putManifest(before.host, "app", "1", image);
  await before.service.stop();

  const without = await startRegistry(workspace, at);
  await without.service.ready(async () => without.service.log.includes("objects-out-of-reach"));
  await without.service.stop();

  const moving = await startRegistry(workspace, at, ["STORE_FALLBACK:r2"]);
  expect((await hashBlob(moving.host, "app", layer.digest)).digest).toBe(layer.digest);
  const { stdout, stderr } = await berth(
    ["migrate-store", "--to", "disk", "--registry", moving.host],
    workspace,
  );
  // Right after a start it asks for a second run: the version before may have been at work.
  expect(stdout + stderr).toMatch(/It has to run again, at|Nothing .* is left/);
  await moving.service.stop();

  const after = await startRegistry(workspace, at);
  for (const { digest } of [layer, config])
    expect((await hashBlob(after.host, "app", digest)).digest).toBe(digest);
  await after.service.stop();
});

/** Images in the registry under test. */

import type { Digest } from "../../src/oci/digest.ts";
import { digestOfManifest, imageOf } from "./manifests.ts";
import { pushBlob, putManifest } from "./registry.ts";

export {
  CONFIG,
  type Descriptor,
  descriptorOf,
  digestOfManifest,
  imageOf,
  indexOf,
  LAYER,
  manifestDescriptor,
} from "./manifests.ts";

/** Pushes blobs and manifest. @returns the manifest's digest */
export async function pushImage(
  name: string,
  reference: string | null,
  config: string,
  layers: string[],
  fields: object = {},
): Promise<Digest> {
  for (const content of [config, ...layers]) await pushBlob(name, content);
  const manifest = imageOf(config, layers, fields);
  const response = await putManifest(name, reference ?? digestOfManifest(manifest), manifest);
  if (response.status !== 201) throw new Error(`PUT answered ${response.status}: ${await response.text()}`);
  return digestOfManifest(manifest);
}

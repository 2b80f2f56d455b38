/** A small artifact, pushed as oras does: one request after the other, as a person waits for it. */

import { imageOf } from "../../support/manifests.ts";
import { type Contenders, REGISTRIES } from "../contenders.ts";
import { newBlob, pushBlob, send } from "../http.ts";
import { type Row, seconds } from "../runner.ts";

const ARTIFACTS = 20;

export function artifactRows(contenders: Contenders): Row[] {
  const ways = REGISTRIES.map((registry) => {
    const way = async () => {
      const host = contenders.hostOf(registry);
      let taken = 0;
      for (let count = 0; count < ARTIFACTS; count++) taken += await seconds(() => push(host));
      return (taken * 1000) / ARTIFACTS;
    };
    return [registry, way] as const;
  });
  return [
    {
      name: "artifact",
      what: "push an artifact of 10 KB as oras does",
      unit: "ms",
      ways: Object.fromEntries(ways),
      goals: { "registry:2": 1.1 },
    },
  ];
}

async function push(host: string): Promise<void> {
  // Of two bytes some would come twice.
  const blobs = [newBlob(8), newBlob(10_000)] as const;
  for (const blob of blobs) {
    await send(host, `/v2/bench/artifact/blobs/${blob.digest}`, { method: "HEAD", expect: [404] });
    await pushBlob(host, "bench/artifact", blob);
  }
  const manifest = imageOf(blobs[0].bytes, [blobs[1].bytes], { artifactType: "application/vnd.bench" });
  const path = `/v2/bench/artifact/manifests/${Date.now()}`;
  await send(host, path, { method: "HEAD", expect: [404] });
  const body = Buffer.from(JSON.stringify(manifest));
  await send(host, path, { method: "PUT", body, headers: { "Content-Type": manifest.mediaType } });
}

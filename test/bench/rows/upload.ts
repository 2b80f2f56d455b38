/** Uploads of a blob, beside the same bytes into a bare bucket. */

import { type Contenders, REGISTRIES } from "../contenders.ts";
import { type Blob, closingOf, locationIn, MIB, newBlob, pushBlob, send, startUpload } from "../http.ts";
import { type Row, seconds } from "../runner.ts";

const SIZE = 100 * MIB;
const CHUNK = 16 * MIB;

export function uploadRows(contenders: Contenders): Row[] {
  const row = (
    name: string,
    what: string,
    parts: boolean,
    push: (host: string, blob: Blob) => Promise<unknown>,
  ): Row => {
    const ways = REGISTRIES.map((registry) => {
      const way = () => {
        const blob = newBlob(SIZE);
        return seconds(() => push(contenders.hostOf(registry), blob));
      };
      return [registry, way] as const;
    });
    const floor = () => {
      const { bytes, digest } = newBlob(SIZE);
      const path = `/${digest}${parts ? "?parts" : ""}`;
      return seconds(() => send(contenders.hostOf("floor"), path, { method: "PUT", body: bytes }));
    };
    return { name, what, unit: "s", ways: { ...Object.fromEntries(ways), floor }, goals: { floor: 1.15 } };
  };
  return [
    row("upload-patch", "upload 100 MiB, PATCH of unknown length", true, (host, blob) =>
      pushBlob(host, "bench/upload", blob, true),
    ),
    row("upload-put", "upload 100 MiB, PUT of known length", false, (host, blob) =>
      pushBlob(host, "bench/upload", blob),
    ),
    row("upload-chunks", "upload 100 MiB in chunks of 16 MiB", true, pushInChunks),
  ];
}

async function pushInChunks(host: string, { bytes, digest }: Blob): Promise<void> {
  let location = await startUpload(host, "bench/upload");
  for (let start = 0; start < bytes.byteLength; start += CHUNK) {
    const body = bytes.subarray(start, start + CHUNK);
    const headers = { "Content-Range": `${start}-${start + body.byteLength - 1}` };
    location = locationIn((await send(host, location, { method: "PATCH", body, headers })).headers);
  }
  await send(host, closingOf(location, digest), { method: "PUT" });
}

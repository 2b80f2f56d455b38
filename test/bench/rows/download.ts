/** Downloads of blobs, beside the same bytes from a bare bucket: pushed as containerd does, and as docker does. */

import { type Contenders, type Name, REGISTRIES } from "../contenders.ts";
import { type Blob, MIB, newBlob, pushBlob, repeat, send } from "../http.ts";
import { type Row, seconds, type Way } from "../runner.ts";

const SIZE = 100 * MIB;
const RANGE = 10 * MIB;
const MANY = 16;

type Fetch = (host: string, path: string) => Promise<unknown>;

export function downloadRows(contenders: Contenders): Row[] {
  const row = (name: string, what: string, inParts: boolean, fetch: Fetch): Row => {
    const blob = newBlob(SIZE);
    const at = (contender: Name) => pathOf(contender, blob);
    const way = (contender: Name): Way => {
      return () => seconds(() => fetch(contenders.hostOf(contender), at(contender)));
    };
    const ways = [...REGISTRIES, "floor" as const].map((contender) => [contender, way(contender)]);
    return {
      ...{ name, what, unit: "s", goals: { floor: 1.1 }, ways: Object.fromEntries(ways) },
      prepare: () => push(contenders, blob, inParts),
    };
  };
  return [
    row("download", "download 100 MiB, pushed by PUT", false, whole),
    row("download-parts", "download 100 MiB, pushed by PATCH", true, whole),
    row("download-ranges", "download 100 MiB, pushed by PATCH, in ranges of 10 MiB", true, inRanges),
    row("download-16", "16 downloads of 100 MiB at once, pushed by PUT", false, many),
  ];
}

function pathOf(contender: Name, { digest }: Blob): string {
  return contender === "floor" ? `/${digest}` : `/v2/bench/download/blobs/${digest}`;
}

async function push(contenders: Contenders, blob: Blob, inParts: boolean): Promise<void> {
  for (const registry of REGISTRIES) {
    await pushBlob(contenders.hostOf(registry), "bench/download", blob, inParts);
  }
  const path = pathOf("floor", blob) + (inParts ? "?parts" : "");
  await send(contenders.hostOf("floor"), path, { method: "PUT", body: blob.bytes });
}

async function whole(host: string, path: string): Promise<void> {
  const { length } = await send(host, path);
  if (length !== SIZE) throw new Error(`${path} has ${length} bytes`);
}

async function inRanges(host: string, path: string): Promise<void> {
  for (let start = 0; start < SIZE; start += RANGE) {
    const headers = { Range: `bytes=${start}-${start + RANGE - 1}` };
    const { length } = await send(host, path, { headers, expect: [206] });
    if (length !== RANGE) throw new Error(`a range of ${path} has ${length} bytes`);
  }
}

async function many(host: string, path: string): Promise<void> {
  await repeat(MANY, MANY, () => whole(host, path));
}

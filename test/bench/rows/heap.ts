/** The heap of the isolate while layers come and go, of the 128 MB that Cloudflare gives. */

import { startWatchedRegistry, type WatchedRegistry } from "../../e2e/support/heap.ts";
import type { Contenders } from "../contenders.ts";
import { MIB, newBlob, pushBlob, repeat, send } from "../http.ts";
import type { Row } from "../runner.ts";

const SIZE = 50 * MIB;

/** docker sends five layers at once; podman six. */
const AT_ONCE = 6;

const NAME = "bench/heap";

export function heapRows(contenders: Contenders): Row[] {
  let starting: Promise<WatchedRegistry> | null = null;
  const blob = newBlob(SIZE);
  const start = async () => {
    starting ??= startWatchedRegistry(contenders.workspace).then((registry) => {
      contenders.add(registry.service);
      return registry;
    });
    await pushBlob((await starting).host, NAME, blob, true);
  };
  const row = (name: string, what: string, work: (host: string) => Promise<unknown>): Row => {
    const way = async () => {
      const { heap, host } = (await starting) as WatchedRegistry;
      await heap.collect();
      return (await heap.peakDuring(() => repeat(AT_ONCE, AT_ONCE, () => work(host)))) / 1e6;
    };
    return { name, what, unit: "MB", ways: { Berth: way }, prepare: start };
  };
  return [
    row("heap-upload", `workerd's heap, ${AT_ONCE} uploads of 50 MiB at once, of 128 MB`, (host) =>
      pushBlob(host, NAME, newBlob(SIZE), true),
    ),
    row("heap-download", `workerd's heap, ${AT_ONCE} downloads of 50 MiB at once, of 128 MB`, (host) =>
      send(host, `/v2/${NAME}/blobs/${blob.digest}`),
    ),
  ];
}

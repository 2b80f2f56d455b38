/** Small answers: manifests, tags, and a catalog of many repositories. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { imageOf, indexOf } from "../../support/manifests.ts";
import { type Contenders, type Name, REGISTRIES } from "../contenders.ts";
import { newBlob, pushBlob, repeat, send } from "../http.ts";
import { type Row, seconds, type Way } from "../runner.ts";

const REPOSITORIES = 5000;
const TAGS = 300;
const PAGE = 100;
/** Requests for one value, and how many at once. */
const TIMES = 400;
const AT_ONCE = 8;

export function readingRows(contenders: Contenders): Row[] {
  const row = (name: string, what: string, path: string, more: Partial<Row> = {}): Row => {
    const ways = REGISTRIES.map((registry) => [registry, requests(contenders, registry, path)]);
    return { name, what, unit: "ms", ways: Object.fromEntries(ways), ...more };
  };
  const manifest = row(
    "manifest",
    "GET of a manifest by tag, each of 400",
    "/v2/bench/reading/manifests/t100",
    {
      goals: { floor: 2 },
      prepare: () => pushTags(contenders),
    },
  );
  manifest.ways.floor = requests(contenders, "floor", "/");
  const catalog = `/v2/_catalog?n=${PAGE}`;
  return [
    manifest,
    row("tags", `a page of ${PAGE} of ${TAGS} tags`, `/v2/bench/reading/tags/list?n=${PAGE}`, {
      prepare: () => pushTags(contenders),
    }),
    row("catalog-first", `the first page of ${PAGE} of ${REPOSITORIES} repositories`, catalog, {
      prepare: () => fill(contenders),
    }),
    row(
      "catalog-last",
      `the last page of ${PAGE} of ${REPOSITORIES} repositories`,
      `${catalog}&last=${repositoryOf(REPOSITORIES - PAGE)}`,
      { prepare: () => fill(contenders) },
    ),
  ];
}

/** Milliseconds for each of many. */
function requests(contenders: Contenders, name: Name, path: string): Way {
  // registry:2 walks its disk for the catalog: there fewer have to do.
  const times = path.includes("_catalog") ? TIMES / 10 : TIMES;
  return async () => {
    const host = contenders.hostOf(name);
    return ((await seconds(() => repeat(times, AT_ONCE, () => send(host, path)))) * 1000) / times;
  };
}

const done = new Set<string>();

async function pushTags(contenders: Contenders): Promise<void> {
  if (done.has("tags")) return;
  done.add("tags");
  const [config, layer] = [newBlob(1000), newBlob(1000)];
  const manifest = imageOf(config.bytes, [layer.bytes]);
  const body = Buffer.from(JSON.stringify(manifest));
  const headers = { "Content-Type": manifest.mediaType };
  for (const registry of REGISTRIES) {
    const host = contenders.hostOf(registry);
    for (const blob of [config, layer]) await pushBlob(host, "bench/reading", blob);
    await repeat(TAGS, AT_ONCE, (index) =>
      send(host, `/v2/bench/reading/manifests/t${100 + index}`, { method: "PUT", body, headers }),
    );
  }
}

async function fill(contenders: Contenders): Promise<void> {
  if (done.has("repositories")) return;
  done.add("repositories");
  const index = indexOf([]);
  const body = Buffer.from(JSON.stringify(index));
  const headers = { "Content-Type": index.mediaType };
  await repeat(REPOSITORIES, AT_ONCE, (number) =>
    send(contenders.hostOf("Berth"), `/v2/${repositoryOf(number)}/manifests/latest`, {
      ...{ method: "PUT", body, headers },
    }),
  );
  // What registry:2 takes for a repository; a push of each would take very long.
  for (let number = 0; number < REPOSITORIES; number++) {
    const repository = join(contenders.otherRoot, "docker/registry/v2/repositories", repositoryOf(number));
    for (const folder of ["_layers", "_manifests", "_uploads"]) {
      mkdirSync(join(repository, folder), { recursive: true });
    }
  }
}

function repositoryOf(number: number): string {
  return `z/r${String(number).padStart(5, "0")}`;
}

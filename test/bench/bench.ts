/**
 * `npm run bench`: Berth beside registry:2, and beside a bare Worker on the same simulator, row by row in one run.
 * Times are of this machine; the ratios say something.
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { Contenders } from "./contenders.ts";
import { artifactRows } from "./rows/artifact.ts";
import { dockerRows } from "./rows/docker.ts";
import { downloadRows } from "./rows/download.ts";
import { heapRows } from "./rows/heap.ts";
import { readingRows } from "./rows/reading.ts";
import { uploadRows } from "./rows/upload.ts";
import { webRows } from "./rows/web.ts";
import { runRows } from "./runner.ts";
import { pagesTableOf, tableOf, writeTable } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string", default: "5" },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds);
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error("--rounds is a number from 1.");

const contenders = new Contenders();
const all = [dockerRows, uploadRows, downloadRows, readingRows, artifactRows, heapRows, webRows].flatMap(
  (rows) => rows(contenders),
);
const rows = all.filter(({ name }) => options.only?.some((only) => name.startsWith(only)) ?? true);
if (rows.length === 0)
  throw new Error(`--only is the beginning of: ${all.map(({ name }) => name).join(", ")}`);

try {
  await contenders.start();
  const measured = await runRows(rows, rounds, (text) => process.stderr.write(`${text}\n`));
  const pages = measured.filter(({ row }) => row.transferred !== undefined);
  const others = measured.filter((each) => !pages.includes(each));
  const tables = [
    ...(others.length === 0 ? [] : [["speed", tableOf(others)] as const]),
    ...(pages.length === 0 ? [] : [["pages", pagesTableOf(pages)] as const]),
  ];
  for (const [place, table] of tables) {
    console.log(table);
    if (options.write) writeTable(place, table);
  }
} finally {
  await contenders.stop();
}

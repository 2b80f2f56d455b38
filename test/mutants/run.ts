/**
 * `node test/mutants/run.ts FILE TESTS… [--every N] [--only TEXT]`: changes one condition of a source at a time, and
 * tells which changes its tests do not see. By hand only: each takes a run of the tests. The file is changed in
 * place, and put back.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { mutantsOf } from "./mutants.ts";

/** Some changes make a loop endless. Milliseconds. */
const TIME_LIMIT = 4 * 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { every: { type: "string", default: "1" }, only: { type: "string", default: "" } },
});
const [file = "", ...tests] = positionals;
const original = readFileSync(file, "utf8");
if (spawnSync("git", ["diff", "--quiet", "--", file]).status !== 0) throw new Error(`${file} has changes`);
process.on("exit", () => writeFileSync(file, original));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const all = mutantsOf(original).filter(({ what }) => what.includes(values.only));
const chosen = all.filter((_, index) => index % Number(values.every) === 0);

/** Whether the tests pass on the file as it stands. */
function pass(): boolean {
  const { status } = spawnSync(
    "npx",
    ["vitest", "run", "--config", "test/vitest.config.ts", "--bail=1", "--silent=true", ...tests],
    { timeout: TIME_LIMIT, stdio: "ignore" },
  );
  return status === 0;
}

// Else every change would seem to be seen.
if (!pass()) throw new Error("the tests fail on the source as it is");
let alive = 0;
for (const { line, what, source } of chosen) {
  writeFileSync(file, source);
  const lives = pass();
  if (lives) alive++;
  console.log(`${lives ? "LIVES " : "killed"} ${file}:${line} ${what}`);
}
console.log(`${file}: ${chosen.length} of ${all.length} mutants tried, ${alive} live`);

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

/** How the tests end on the file as it stands. "slow": by the time limit, which may be the change's doing or not. */
function outcome(): "pass" | "fail" | "slow" {
  const { status, signal } = spawnSync(
    "npx",
    [
      "vitest",
      "run",
      "--config",
      "test/vitest.config.ts",
      "--project",
      "worker",
      "--bail=1",
      "--silent=true",
      ...tests,
    ],
    { timeout: TIME_LIMIT, stdio: "ignore" },
  );
  if (status === 0) return "pass";
  return signal === null ? "fail" : "slow";
}

const SAID = { pass: "LIVES ", fail: "killed", slow: "slow  " };

// Else every change would seem to be seen.
if (outcome() !== "pass") throw new Error("the tests fail on the source as it is, or take too long");
const counts = { pass: 0, fail: 0, slow: 0 };
for (const { line, what, source } of chosen) {
  writeFileSync(file, source);
  const how = outcome();
  counts[how]++;
  console.log(`${SAID[how]} ${file}:${line} ${what}`);
}
console.log(
  `${file}: ${chosen.length} of ${all.length} mutants tried, ${counts.pass} live, ${counts.slow} took too long`,
);

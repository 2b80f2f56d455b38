/** What the bench makes of its measurements: medians, ratios, and goals that are missed. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { Name } from "../bench/contenders.ts";
import { median, type Row, runRows } from "../bench/runner.ts";
import { pagesTableOf, tableOf } from "../bench/table.ts";

function row(values: Partial<Record<Name, number[]>>, goals: Row["goals"] = {}): Row {
  const ways = Object.entries(values).map(([name, list]) => [name, async () => list.shift() ?? Number.NaN]);
  return { name: "push", what: "a push", unit: "s", ways: Object.fromEntries(ways), goals };
}

test("a median is the middle one, or lies between the two in the middle", () => {
  expect([median([9, 1, 2]), median([4, 1, 2, 9]), median([])]).toEqual([2, 3, Number.NaN]);
});

test("a row shows medians, what they range over, and how many times the others' they are", async () => {
  const push = row({ Berth: [2, 3, 1], "registry:2": [1, 1, 4], floor: [4, 4, 4] }, { floor: 1 });
  const table = tableOf(await runRows([push], 3, () => {}));
  expect(table.split("\n")[2]).toBe(
    "| a push | 2.00 s (1.00–3.00) | 1.00 s (1.00–4.00) | 4.00 s (4.00–4.00) | 2.00 | 0.50 | ≤ 1 × floor |",
  );
});

test("a goal that is missed is said to be", async () => {
  const measured = await runRows(
    [row({ Berth: [2], "registry:2": [1] }, { "registry:2": 1.1 })],
    1,
    () => {},
  );
  expect(tableOf(measured)).toContain(
    "| a push | 2.00 s | 1.00 s |  | 2.00 |  | ≤ 1.1 × registry:2: missed |",
  );
});

test("contenders take turns in being first, and rows in every round", async () => {
  const order: string[] = [];
  const of = (name: string): Row => {
    const way = (who: string) => async () => order.push(`${name} ${who}`);
    return { name, what: name, unit: "s", ways: { Berth: way("Berth"), floor: way("floor") } };
  };
  await runRows([of("a"), of("b")], 2, () => {});
  expect(order).toEqual([
    ...["a Berth", "a floor", "b Berth", "b floor"],
    ...["a floor", "a Berth", "b floor", "b Berth"],
  ]);
});

test("a page is shown with what it has loaded", async () => {
  const page: Row = { name: "web", what: "/r/app?sort=size", unit: "ms", ways: {}, transferred: 34_500 };
  page.ways.Berth = async () => 120;
  expect(pagesTableOf(await runRows([page], 1, () => {})).split("\n")[2]).toBe(
    "| `/r/app?sort=size` | 120 ms | 34.5 kB |",
  );
});

test("the docs have a place for each table", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../docs/speed-and-cost.md"), "utf8");
  for (const place of ["speed", "pages"])
    expect(page).toMatch(new RegExp(`<!-- ${place} -->\\n[\\s\\S]*<!-- /${place} -->`));
});

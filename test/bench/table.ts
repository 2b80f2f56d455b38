/** What was measured, as a Markdown table, and its place in the docs. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../e2e/support/registry.ts";
import type { Name } from "./contenders.ts";
import { formatValue, type Measured, median } from "./runner.ts";

const PAGE = join(ROOT, "docs/speed-and-cost.md");

const HEAD = ["", "Berth", "registry:2", "floor", "× registry:2", "× floor", "goal"];

/** Of pages: their address, when something of them was to be seen, and how much was loaded for it. */
export function pagesTableOf(measured: Measured[]): string {
  const lines = [
    ["page", "first contentful paint", "loaded"],
    ["---", "---:", "---:"],
    ...measured.map(({ row, values }) => [
      `\`${row.what}\``,
      spread(values.Berth, row.unit),
      `${formatValue((row.transferred ?? Number.NaN) / 1000)} kB`,
    ]),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Medians, with the fastest and the slowest behind. */
export function tableOf(measured: Measured[]): string {
  const lines = [HEAD, HEAD.map((_, column) => (column === 0 ? "---" : "---:")), ...measured.map(cellsOf)];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function cellsOf({ row, values }: Measured): string[] {
  const ratio = (other: Name) => {
    const [own, others] = [values.Berth, values[other]];
    return own && others ? median(own) / median(others) : null;
  };
  const shown = (other: Name) => ratio(other)?.toFixed(2) ?? "";
  const goals = Object.entries(row.goals ?? {}).map(([other, most]) => {
    // As it is shown: the third digit is noise.
    const reached = Number(shown(other as Name) || Number.NaN) <= most;
    return `≤ ${most} × ${other}${reached ? "" : ": missed"}`;
  });
  const of = (name: Name) => spread(values[name], row.unit);
  return [
    row.what,
    of("Berth"),
    of("registry:2"),
    of("floor"),
    shown("registry:2"),
    shown("floor"),
    goals.join(", "),
  ];
}

function spread(list: number[] | undefined, unit: string): string {
  if (list === undefined) return "";
  const range =
    list.length > 1 ? ` (${formatValue(Math.min(...list))}–${formatValue(Math.max(...list))})` : "";
  return `${formatValue(median(list))} ${unit}${range}`;
}

/** Puts the table where the docs show it. @param place the mark around it @throws when the page has no such place */
export function writeTable(place: "speed" | "pages", table: string): void {
  const page = readFileSync(PAGE, "utf8");
  const marked = new RegExp(`(<!-- ${place} -->\\n)[\\s\\S]*?(<!-- /${place} -->)`);
  if (!marked.test(page)) throw new Error(`${PAGE} has no place for the table`);
  writeFileSync(
    PAGE,
    page.replace(marked, (_, begin: string, end: string) => `${begin}${table}\n${end}`),
  );
}

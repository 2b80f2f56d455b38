/** Bills, for people. */

import { formatSize } from "../size.ts";
import { type Bill, berthBill, type Line, type Month, sentBytes, serverBill, storedBytes } from "./bill.ts";

/** As on a receipt: what is used, what of it is included, and what the rest costs. */
export function receiptOf(title: string, { lines, total }: Bill): string {
  const head = ["", "", "used", "included", "price", "cost"];
  const rows = lines.map((line) => [
    line.product,
    line.what,
    amount(line.used, line.unit),
    line.included === 0 ? "" : amount(line.included, line.unit),
    `$${line.price.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 })}/${line.unit}`,
    dollars(line.cost),
  ]);
  const all = [head, ...rows, ["", "", "", "", "total", dollars(total)]];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const text = all.map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return [title, ...text].join("\n");
}

export interface Team {
  people: number;
  month: Month;
}

/** Markdown: what each team pays. */
export function teamsTable(teams: Team[]): string {
  const rows = teams.map(({ people, month }) => {
    const [berth, server] = [berthBill(month), serverBill(month)];
    return [
      count(people),
      count(month.images),
      count(month.pushes),
      count(month.pulls),
      formatSize(storedBytes(month)),
      formatSize(sentBytes(month)),
      dollars(berth.total),
      dollars(server.total),
      dollars(server.lines.find(({ what }) => what === "sent")?.cost ?? 0),
    ];
  });
  const head = [
    "people",
    "images",
    "pushes",
    "pulls",
    "stored",
    "sent",
    "Berth",
    "registry:2",
    "of it for bytes sent",
  ];
  return [head, head.map(() => "---:"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** In whole ones, with commas. */
export function count(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

function amount(number: number, unit: Line["unit"]): string {
  const digits = number > 0 && number < 100 ? 2 : 0;
  const text = number.toLocaleString("en-US", { maximumFractionDigits: digits });
  return unit === "1,000" ? `${text} k` : `${text} ${unit}`;
}

function dollars(number: number): string {
  return `$${number.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

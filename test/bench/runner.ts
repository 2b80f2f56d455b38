/** Rows of the bench, and how they are run: the contenders of a row one after the other, in every round. */

import type { Name } from "./contenders.ts";

/** Does it once. @returns what was measured, in the row's unit */
export type Way = () => Promise<number>;

export interface Row {
  /** For `--only`. */
  name: string;
  what: string;
  unit: "s" | "ms" | "MB";
  ways: Partial<Record<Name, Way>>;
  /** How many times the other's Berth may take at most. */
  goals?: Partial<Record<Exclude<Name, "Berth">, number>>;
  /** Of a page, with its files: what the last visit has loaded. Bytes. */
  transferred?: number;
  /** Before the first round. */
  prepare?(): Promise<void>;
}

export type Measured = { row: Row; values: Partial<Record<Name, number[]>> };

/** @param say what is going on */
export async function runRows(rows: Row[], rounds: number, say: (text: string) => void): Promise<Measured[]> {
  const measured: Measured[] = rows.map((row) => ({ row, values: {} }));
  for (const row of rows) {
    say(`preparing ${row.name}`);
    await row.prepare?.();
  }
  for (let round = 0; round < rounds; round++) {
    for (const { row, values } of measured) {
      const ways = Object.entries(row.ways) as [Name, Way][];
      for (let turn = 0; turn < ways.length; turn++) {
        // Another one begins in each round.
        const [name, way] = ways[(turn + round) % ways.length] as [Name, Way];
        const value = await way();
        values[name] = [...(values[name] ?? []), value];
        say(`${round + 1}/${rounds}  ${row.name}  ${name}  ${formatValue(value)} ${row.unit}`);
      }
    }
  }
  return measured;
}

/** How long `work` takes. Seconds. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

export function median(list: number[]): number {
  const sorted = list.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Three digits say all there is to say. */
export function formatValue(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** `berth cost`: bills, and the table of them in the docs. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { berthBill, type Month, serverBill } from "../../src/cli/cost/bill.ts";
import { runBerth } from "./support/program.ts";

const GB = 1e9;

const IDLE: Month = {
  ...{ images: 0, layers: 1, layerBytes: GB, pushes: 0, pulls: 0, cached: 0, tokens: false, cpu: 5 },
  uploadSpeed: 12.5e6,
};

function costOf(bill: { lines: { product: string; what: string; cost: number }[] }, name: string): number {
  return bill.lines.find(({ product, what }) => `${product} ${what}` === name)?.cost ?? Number.NaN;
}

test("a registry that nobody uses costs the plan", () => {
  expect(berthBill(IDLE).total).toBe(5);
  expect(serverBill(IDLE).total).toBeCloseTo(15.91);
});

test("only what is beyond the included is paid", () => {
  expect(berthBill({ ...IDLE, images: 10 }).total).toBeCloseTo(5, 3);
  // 110 GB, of which 10 are free.
  expect(berthBill({ ...IDLE, images: 110 }).total).toBeCloseTo(5 + 100 * 0.015, 3);
});

test("what is pulled costs by the request here, and by the byte there, in tiers", () => {
  const month = { ...IDLE, pulls: 20_000_000 };
  const [berth, server] = [berthBill(month), serverBill({ ...IDLE, pulls: 20_000 })];
  // A challenge, two of the manifest, and two for each of two blobs.
  expect(costOf(berth, "Workers requests")).toBeCloseTo((7 * 20 - 10) * 0.3, 3);
  expect(costOf(berth, "R2 reads (class B)")).toBeCloseTo((2 * 20 - 10) * 0.36, 3);
  expect(costOf(server, "S3 sent")).toBeCloseTo(10_140 * 0.09 + 9760 * 0.085, 1);
});

test("a cache answers for the bucket alone, and tokens are read from KV", () => {
  const month = { ...IDLE, pulls: 20_000_000 };
  const cached = berthBill({ ...month, cached: 0.75 });
  expect(costOf(cached, "R2 reads (class B)")).toBeCloseTo(0, 3);
  expect(costOf(cached, "Workers requests")).toBe(costOf(berthBill(month), "Workers requests"));
  expect(costOf(berthBill({ ...month, tokens: true }), "KV reads")).toBeCloseTo((3 * 80 - 10) * 0.5, 3);
});

test("what is pushed costs writes, and lingers for eight days when it goes", () => {
  const { lines } = berthBill({ ...IDLE, pushes: 30_000 });
  const used = (name: string) => lines.find(({ product, what }) => `${product} ${what}` === name)?.used;
  expect(used("R2 stored")).toBeCloseTo(8000, 0);
  // A part each 8 MiB, of 1 GB 120; and the runs of the collection.
  expect(used("R2 writes (class A)")).toBeCloseTo((30_000 * (120 + 2 + 1) + 240) / 1e6, 3);
});

test("it prints both bills, or JSON", async () => {
  const args = ["--images", "1000", "--layers", "8", "--layer-mb", "40", "--pulls", "1000000"];
  const { code, stdout } = await runBerth(["cost", ...args]);
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^A month: 1,000 images .* 1,000,000 pulls\.$/m)]);
  const { berth, server } = JSON.parse((await runBerth(["cost", ...args, "--json"])).stdout);
  for (const { total } of [berth, server]) {
    expect(stdout).toMatch(
      new RegExp(`total +\\$${total.toLocaleString("en-US", { maximumFractionDigits: 2 })}`),
    );
  }
});

test.each([
  ["--cached", "2"],
  ["--images", "many"],
  ["--upload-mbit", "0"],
])("%s %s is refused", async (option, value) => {
  expect(await runBerth(["cost", option, value])).toMatchObject({ code: 2, stdout: "" });
});

test("the docs show what it prints for three teams", async () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../docs/speed-and-cost.md"), "utf8");
  const shown = /<!-- cost -->\n([\s\S]*?)<!-- \/cost -->/.exec(page)?.[1];
  expect(shown?.trim()).toBe((await runBerth(["cost", "--teams"])).stdout.trim());
});

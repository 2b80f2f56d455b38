/** `berth cost`: what a registry costs a month on Cloudflare, and what registry:2 with a bucket would. */

import { Command } from "commander";
import { berthBill, type Month, serverBill } from "./cost/bill.ts";
import { CLOUDFLARE, SERVER } from "./cost/prices.ts";
import { count, receiptOf, teamsTable } from "./cost/table.ts";
import { badInput } from "./failure.ts";
import { print } from "./output.ts";
import { formatSize } from "./size.ts";

const HELP = `
Each push brings a new image, and an old one goes; a pull is of a whole image.
Operations are those that the tests count. The CPU time and the upload speed are
assumptions. Prices are lists in src/cli/cost/prices.ts, with date and source.

Examples:
  $ berth cost --images 1000 --layers 8 --layer-mb 40 --pulls 1000000
  $ berth cost --teams
`;

interface Options {
  images: number;
  layers: number;
  layerMb: number;
  pulls: number;
  pushes?: number;
  cached: number;
  tokens?: boolean;
  cpuMs: number;
  uploadMbit: number;
  teams?: boolean;
  json?: boolean;
}

/** By people. */
const TEAMS = [
  { people: 5, images: 50, pushes: 100, pulls: 1000 },
  { people: 50, images: 500, pushes: 1000, pulls: 20_000 },
  { people: 500, images: 5000, pushes: 10_000, pulls: 400_000 },
];

export function costCommand(): Command {
  return new Command("cost")
    .description("Says what a registry costs a month.")
    .option("--images <count>", "images that are kept", number, 1000)
    .option("--layers <count>", "layers of an image, shared with no other", number, 8)
    .option("--layer-mb <size>", "MB of a layer", number, 40)
    .option("--pulls <count>", "pulls a month", number, 10_000)
    .option("--pushes <count>", "pushes a month (default: as many as images)", number)
    .option("--cached <share>", "share of blobs that an edge cache answers, 0 to 1", share, 0)
    .option("--tokens", "all with machine tokens, which take two more reads of KV a request")
    .option("--cpu-ms <ms>", "CPU time of a request", number, 5)
    .option("--upload-mbit <speed>", "Mbit/s at which layers come in", speed, 100)
    .option("--teams", "three sizes of team instead, as a Markdown table")
    .option("--json", "as JSON")
    .addHelpText("after", HELP)
    .action(run);
}

function run(options: Options): void {
  if (options.teams) {
    const teams = TEAMS.map(({ people, ...team }) => ({ people, month: monthOf({ ...options, ...team }) }));
    const bills = teams.map(({ people, month }) => ({ people, ...billsOf(month) }));
    print(options, teamsTable(teams), bills);
    return;
  }
  const bills = billsOf(monthOf(options));
  const { month, berth, server } = bills;
  const said = [
    describe(month),
    receiptOf("Berth on Cloudflare", berth),
    receiptOf("registry:2 on a small server, its bytes in S3", server),
    `List prices without tax: Cloudflare's of ${CLOUDFLARE.date}, Amazon's of ${SERVER.date} (us-east-1).`,
  ];
  print(options, said.join("\n\n"), bills);
}

function billsOf(month: Month) {
  return { month, berth: berthBill(month), server: serverBill(month) };
}

function monthOf(options: Options): Month {
  const {
    images,
    layers,
    layerMb,
    pulls,
    pushes = images,
    cached,
    tokens = false,
    cpuMs,
    uploadMbit,
  } = options;
  return {
    ...{ images, layers, pulls, pushes, cached, tokens, cpu: cpuMs },
    layerBytes: layerMb * 1e6,
    uploadSpeed: (uploadMbit * 1e6) / 8,
  };
}

function describe({ images, layers, layerBytes, pushes, pulls, cached }: Month): string {
  const edge = cached > 0 ? `, ${Math.round(cached * 100)} % of their blobs from a cache` : "";
  return `A month: ${count(images)} images of ${layers} layers of ${formatSize(layerBytes)}, ${count(pushes)} pushes, ${count(pulls)} pulls${edge}.`;
}

/** @throws Failure */
function number(text: string): number {
  if (/^\d{1,12}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw badInput(`${JSON.stringify(text)} is no number: write it like 1000.`);
}

/** @throws Failure */
function share(text: string): number {
  if (number(text) <= 1) return number(text);
  throw badInput(`${text} is no share: write it like 0.9.`);
}

/** @throws Failure */
function speed(text: string): number {
  if (number(text) > 0) return number(text);
  throw badInput("Layers must come in at some speed.");
}

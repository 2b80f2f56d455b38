/** A month's bill, made of counted operations and a price list. Pure: no registry is asked. */

import { KEPT, NOTHING, type Operations, operationsOf, PART, type Step } from "./operations.ts";
import { CLOUDFLARE, type Meter, SERVER, UNITS } from "./prices.ts";

/** What a registry is used for. */
export interface Month {
  /** That are kept. */
  images: number;
  /** Of an image; no other has the same. */
  layers: number;
  /** Of a layer. Bytes. */
  layerBytes: number;
  /** Images that are pushed new; as many old ones go. */
  pushes: number;
  /** Of whole images, none of whose layers is there already. */
  pulls: number;
  /** Share of blobs that an edge cache answers instead of the bucket. */
  cached: number;
  /** Whether who pulls and pushes has a machine token. */
  tokens: boolean;
  /** Of the Worker, for each request. Milliseconds. */
  cpu: number;
  /** How fast layers come in. Bytes a second. */
  uploadSpeed: number;
}

export interface Line extends Meter {
  /** In the meter's units. */
  used: number;
  /** Dollars. */
  cost: number;
}

export interface Bill {
  lines: Line[];
  /** Dollars. */
  total: number;
}

/** Of an image beside its layers. Bytes. */
const CONFIG = 5_000;

const DAYS = 30;

/** Cron runs: four a day. */
const COLLECTIONS = 4 * DAYS;

/** What a collection walks by at most, and lists at once. */
const WALKED = 200_000;
const LISTED = 1000;

/** What is deleted stays for the grace period, a day, and a week more. Months. */
const LINGERS = 8 / DAYS;

/** What a Durable Object is billed for while it takes an upload in. GB. */
const OBJECT_MEMORY = 0.128;

/** An estimate of what registry:2 asks of S3: parts of 10 MiB, which a copy moves, and links that are objects too. */
const S3 = { part: 10 * 1024 * 1024, writesABlob: 8, readsABlob: 3, writesAManifest: 6, readsAManifest: 4 };

/** Of Berth on Cloudflare. */
export function berthBill(month: Month): Bill {
  const used = operationsOfMonth(month);
  return sum([
    line(CLOUDFLARE.meters.plan, 1),
    line(CLOUDFLARE.meters.requests, used.requests),
    line(CLOUDFLARE.meters.cpu, used.requests * month.cpu),
    line(CLOUDFLARE.meters.storage, storedBytes(month)),
    line(CLOUDFLARE.meters.classA, used.classA),
    line(CLOUDFLARE.meters.classB, used.classB),
    line(CLOUDFLARE.meters.rowsRead, used.rowsRead),
    line(CLOUDFLARE.meters.rowsWritten, used.rowsWritten),
    line(CLOUDFLARE.meters.database, month.images * (KEPT.manifest + (month.layers + 1) * KEPT.blob)),
    line(CLOUDFLARE.meters.objectRequests, used.objectRequests),
    line(
      CLOUDFLARE.meters.objectDuration,
      (month.pushes * imageBytes(month) * OBJECT_MEMORY) / month.uploadSpeed,
    ),
    line(CLOUDFLARE.meters.objectRows, used.objectRows),
    line(CLOUDFLARE.meters.kvReads, used.kvReads * (month.tokens ? 3 : 1)),
  ]);
}

/** Of registry:2 on a small server, which keeps its bytes in S3. Deleted ones go at once. */
export function serverBill(month: Month): Bill {
  const { images, layers, layerBytes, pushes, pulls } = month;
  const blobs = layers + 1;
  const parts = layers * Math.ceil(layerBytes / S3.part);
  const { meters } = SERVER;
  return sum([
    line(meters.machine, 1),
    line(meters.address, 1),
    line(meters.storage, images * imageBytes(month)),
    line(meters.puts, pushes * (blobs * S3.writesABlob + parts + S3.writesAManifest)),
    line(meters.gets, pulls * (blobs * S3.readsABlob + S3.readsAManifest)),
    egress(sentBytes(month)),
  ]);
}

/** What all pulls carry. Bytes. */
export function sentBytes(month: Month): number {
  return month.pulls * imageBytes(month);
}

/** With what is deleted and lingers. Bytes. */
export function storedBytes(month: Month): number {
  return (month.images + month.pushes * LINGERS) * imageBytes(month);
}

function imageBytes({ layers, layerBytes }: Month): number {
  return layers * layerBytes + CONFIG;
}

function operationsOfMonth({ images, layers, layerBytes, pushes, pulls, cached }: Month): Operations {
  const blobs = layers + 1;
  const objects = images * blobs;
  const total = { ...NOTHING };
  const add = (step: Step, times: number) => {
    for (const [key, count] of Object.entries(operationsOf(step)))
      total[key as keyof Operations] += count * times;
  };
  add("challenge", pulls + pushes);
  add("headManifest", pulls);
  add("pullManifest", pulls);
  add("notePull", Math.min(pulls, images * DAYS));
  add("pullBlob", pulls * blobs);
  total.classB -= pulls * blobs * cached;

  const large = layerBytes >= PART;
  add("pushBlob", pushes * (large ? 1 : blobs));
  add("pushLargeBlob", large ? pushes * layers : 0);
  add("pushPart", large ? pushes * layers * (Math.ceil(layerBytes / PART) - 2) : 0);
  add("pushManifest", pushes);
  add("pushReference", pushes * blobs);

  add("collectManifest", pushes);
  add("collectBlob", pushes * blobs);
  add("collection", COLLECTIONS);
  const walked = Math.min(objects, WALKED);
  add("walkObject", COLLECTIONS * walked);
  total.classA += COLLECTIONS * Math.floor(walked / LISTED);
  return total;
}

/** @param count of things, not of the meter's units */
function line(meter: Meter, count: number): Line {
  const used = count / UNITS[meter.unit];
  return { ...meter, used, cost: Math.max(0, used - meter.included) * meter.price };
}

function egress(bytes: number): Line {
  const used = bytes / UNITS.GB;
  let cost = 0;
  let from = 0;
  for (const { upTo, price } of SERVER.egress) {
    cost += Math.max(0, Math.min(used, upTo) - from) * price;
    from = upTo;
  }
  const free = SERVER.egress[0].upTo;
  return {
    product: "S3",
    what: "sent",
    included: free,
    price: SERVER.egress[1].price,
    unit: "GB",
    used,
    cost,
  };
}

function sum(lines: Line[]): Bill {
  return { lines, total: lines.reduce((all, { cost }) => all + cost, 0) };
}

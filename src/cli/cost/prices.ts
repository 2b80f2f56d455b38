/** The price lists: all that a bill knows of money. US dollars, without tax. */

/** What is billed, and how much of it a month. */
export interface Meter {
  /** Like "R2". */
  product: string;
  what: string;
  /** Within the plan's price, in units of `per`. */
  included: number;
  /** Of one unit. */
  price: number;
  unit: "M" | "GB" | "1,000" | "month";
}

export interface PriceList {
  /** As of when. */
  date: string;
  sources: readonly string[];
}

export const CLOUDFLARE = {
  date: "November 2026",
  sources: [
    "https://developers.cloudflare.com/workers/platform/pricing/",
    "https://developers.cloudflare.com/r2/pricing/",
    "https://developers.cloudflare.com/d1/platform/pricing/",
    "https://developers.cloudflare.com/durable-objects/platform/pricing/",
    "https://developers.cloudflare.com/kv/platform/pricing/",
  ],
  meters: {
    plan: { product: "Workers Paid", what: "plan", included: 0, price: 5, unit: "month" },
    requests: { product: "Workers", what: "requests", included: 10, price: 0.3, unit: "M" },
    cpu: { product: "Workers", what: "CPU ms", included: 30, price: 0.02, unit: "M" },
    storage: { product: "R2", what: "stored", included: 10, price: 0.015, unit: "GB" },
    classA: { product: "R2", what: "writes (class A)", included: 1, price: 4.5, unit: "M" },
    classB: { product: "R2", what: "reads (class B)", included: 10, price: 0.36, unit: "M" },
    rowsRead: { product: "D1", what: "rows read", included: 25_000, price: 0.001, unit: "M" },
    rowsWritten: { product: "D1", what: "rows written", included: 50, price: 1, unit: "M" },
    database: { product: "D1", what: "stored", included: 5, price: 0.75, unit: "GB" },
    objectRequests: { product: "Durable Objects", what: "requests", included: 1, price: 0.15, unit: "M" },
    objectDuration: { product: "Durable Objects", what: "GB-s", included: 0.4, price: 12.5, unit: "M" },
    objectRows: { product: "Durable Objects", what: "rows written", included: 50, price: 1, unit: "M" },
    kvReads: { product: "KV", what: "reads", included: 10, price: 0.5, unit: "M" },
  },
} as const satisfies PriceList & { meters: Record<string, Meter> };

/** A server of one's own, with registry:2 and a bucket: Amazon's us-east-1. */
export const SERVER = {
  date: "November 2026",
  sources: ["https://aws.amazon.com/ec2/pricing/on-demand/", "https://aws.amazon.com/s3/pricing/"],
  meters: {
    machine: { product: "EC2", what: "t4g.small", included: 0, price: 12.26, unit: "month" },
    address: { product: "EC2", what: "IPv4 address", included: 0, price: 3.65, unit: "month" },
    storage: { product: "S3", what: "stored", included: 0, price: 0.023, unit: "GB" },
    puts: { product: "S3", what: "writes", included: 0, price: 0.005, unit: "1,000" },
    gets: { product: "S3", what: "reads", included: 0, price: 0.0004, unit: "1,000" },
  },
  /** What leaves for the internet, by how much it is: up to so many GB a month, dollars each. */
  egress: [
    { upTo: 100, price: 0 },
    { upTo: 10_240, price: 0.09 },
    { upTo: 51_200, price: 0.085 },
    { upTo: 153_600, price: 0.07 },
    { upTo: Number.POSITIVE_INFINITY, price: 0.05 },
  ],
} as const satisfies PriceList & {
  meters: Record<string, Meter>;
  egress: { upTo: number; price: number }[];
};

/** How many things a unit is. */
export const UNITS = { M: 1e6, GB: 1e9, "1,000": 1e3, month: 1 } as const satisfies Record<
  Meter["unit"],
  number
>;

/** What an account must have before anything is deployed to it, asked in the order in which people come by it. */

import { type Deployment, openDeployment } from "../cloudflare/deployment.ts";
import { describe, Failure } from "../failure.ts";

/** What Cloudflare answers, by its number, which wrangler prints behind its words; and what to do about it. */
const KNOWN: [code: RegExp, advice: string][] = [
  [
    /\b100328\b/,
    "This account is on the free plan, on which checking a password takes too long: choose Workers Paid " +
      "(https://dash.cloudflare.com/?to=/:account/workers/plans), then run this again.",
  ],
  [
    /\b10042\b/,
    "R2 is not switched on in this account: do so (https://dash.cloudflare.com/?to=/:account/r2), then run this again.",
  ],
  [
    /\[code: (?:10000|9109)\]|^Cloudflare answers \d+ (?:10000|9109):/,
    "The login may not do this: run npx wrangler login again, or give CLOUDFLARE_API_TOKEN the rights to edit " +
      "Workers, R2, D1 and KV.",
  ],
];

/** What to do about something that wrangler said; null when that is not known. */
export function adviceOn(said: string): string | null {
  return KNOWN.find(([code]) => code.test(said))?.[1] ?? null;
}

/** @returns where to deploy to. @throws Failure saying what is missing */
export async function checkAccount(): Promise<Deployment> {
  try {
    const deployment = await openDeployment();
    await deployment.api.get(deployment.path("/r2/buckets"));
    return deployment;
  } catch (error) {
    const advice = adviceOn(describe(error));
    throw advice === null ? error : new Failure(advice);
  }
}

/** The registry's own domains, as `routes` in wrangler.toml and --domain name them. */
export function domainsOf(routes: readonly string[], args: readonly string[]): string[] {
  const named = args.flatMap((arg, index) => {
    if (arg === "--domain" || arg === "--domains") return [args[index + 1] ?? ""];
    return /^--domains?=(.+)$/.exec(arg)?.slice(1) ?? [];
  });
  return [...named, ...routes].map((pattern) => pattern.replace(/^https?:\/\//, "").replace(/\/.*$/, ""));
}

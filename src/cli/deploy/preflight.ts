/** What an account must have before anything is deployed to it, asked in the order in which people come by it. */

import { describe, Failure } from "../failure.ts";
import { CONFIG, runWrangler } from "../wrangler.ts";

/** What Cloudflare answers, by the number that wrangler prints behind its words; and what to do about it. */
const KNOWN: [code: RegExp, advice: string][] = [
  [
    /\[code: 100328\]/,
    "This account is on the free plan, on which checking a password takes too long: choose Workers Paid " +
      "(https://dash.cloudflare.com/?to=/:account/workers/plans), then run this again.",
  ],
  [
    /\[code: 10042\]/,
    "R2 is not switched on in this account: do so (https://dash.cloudflare.com/?to=/:account/r2), then run this again.",
  ],
  [
    /\[code: (?:10000|9109)\]/,
    "The login may not do this: run npx wrangler login again, or give CLOUDFLARE_API_TOKEN the rights to edit " +
      "Workers, R2, D1 and KV.",
  ],
  [
    /More than one account available/,
    "The login is for several accounts: say which with CLOUDFLARE_ACCOUNT_ID, then run this again.",
  ],
];

/** What to do about something that wrangler said; null when that is not known. */
export function adviceOn(said: string): string | null {
  return KNOWN.find(([code]) => code.test(said))?.[1] ?? null;
}

/** @throws Failure saying what is missing */
export async function checkAccount(): Promise<void> {
  await checkLogin();
  try {
    await runWrangler(["r2", "bucket", "list"]);
  } catch (error) {
    const said = describe(error);
    throw new Failure(adviceOn(said) ?? `wrangler cannot tell whether R2 is switched on: ${said}`);
  }
}

async function checkLogin(): Promise<void> {
  try {
    await runWrangler(["whoami", "--json"]);
  } catch (error) {
    const said = describe(error);
    if (!/"loggedIn":\s*false/.test(said)) {
      throw new Failure(adviceOn(said) ?? `wrangler cannot tell who is logged in: ${said}`);
    }
    throw new Failure(
      "Nobody is logged in to Cloudflare: run npx wrangler login, or where nobody is there to click, set " +
        "CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID. Then run this again.",
    );
  }
}

/** The registry's own domains, as `routes` in wrangler.toml and --domain name them. */
export async function domainsOf(args: readonly string[]): Promise<string[]> {
  const named = args.flatMap((arg, index) => {
    if (arg === "--domain" || arg === "--domains") return [args[index + 1] ?? ""];
    return /^--domains?=(.+)$/.exec(arg)?.slice(1) ?? [];
  });
  // Only a checkout has it, and not every command needs to load it.
  const { unstable_readConfig: readConfig } = await import("wrangler");
  const { routes = [] } = readConfig({ config: CONFIG });
  const configured = (routes as (string | { pattern: string })[]).map((route) =>
    typeof route === "string" ? route : route.pattern,
  );
  return [...named, ...configured].map((pattern) => pattern.replace(/^https?:\/\//, "").replace(/\/.*$/, ""));
}

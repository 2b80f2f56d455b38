/** Who asks Cloudflare's API, and for which account: found where wrangler finds it. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { parseEnv } from "node:util";
import { describe, Failure } from "../failure.ts";
import { ROOT, runWrangler } from "../wrangler.ts";

/** Where wrangler looks besides the environment, which comes first. */
const FILES = [".env.local", ".env"];

export interface Access {
  /** Where the API is, without a slash at the end. */
  api: string;
  /** What a request is authorised with. */
  headers: Record<string, string>;
  /** Null where it is not said, and the login has to be asked for it. */
  account: string | null;
}

/** @throws Failure saying how to log in */
export async function findAccess(): Promise<Access> {
  const env = await environment();
  return {
    api: env.CLOUDFLARE_API_BASE_URL ?? "https://api.cloudflare.com/client/v4",
    headers: await credentials(env),
    account: env.CLOUDFLARE_ACCOUNT_ID || null,
  };
}

async function environment(): Promise<NodeJS.Dict<string>> {
  const texts = await Promise.all(FILES.map((file) => readFile(join(ROOT, file), "utf8").catch(() => "")));
  return Object.assign({}, ...texts.map((text) => parseEnv(text)).reverse(), process.env);
}

async function credentials(env: NodeJS.Dict<string>): Promise<Record<string, string>> {
  if (env.CLOUDFLARE_API_TOKEN && !env.CLOUDFLARE_API_KEY) return bearer(env.CLOUDFLARE_API_TOKEN);
  const found: { type: string; token: string; key: string; email: string } = await askWrangler();
  if (found.type !== "api_key") return bearer(found.token);
  return { "X-Auth-Key": found.key, "X-Auth-Email": found.email };
}

/** It keeps logins, in a keyring where there is one, and renews them. */
async function askWrangler() {
  try {
    return JSON.parse(await runWrangler(["auth", "token", "--json"]));
  } catch (error) {
    const said = describe(error);
    if (!said.includes("Not logged in")) throw new Failure(`wrangler cannot tell who is logged in: ${said}`);
    throw new Failure(
      "Nobody is logged in to Cloudflare: run npx wrangler login, or where nobody is there to click, set " +
        "CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID. Then run this again.",
    );
  }
}

function bearer(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}` };
}

/**
 * Where a password may go for a token. The registry's challenge names the place, so that whoever answers in the
 * registry's name could have any password sent anywhere.
 */

import process from "node:process";
import { createInterface } from "node:readline/promises";
import { isThisMachine } from "../http/plain-http.ts";

/** Docker's own registry has several names, and its tokens come from a sibling of some. */
const DOCKER_HUB = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** What came over TLS must not leave in the clear, and plain HTTP leads only to this machine or the registry itself. */
export function isSafe(origin: URL, realm: URL): boolean {
  if (realm.protocol === "https:") return true;
  if (realm.protocol !== "http:" || origin.protocol !== "http:") return false;
  return realm.hostname === origin.hostname || isThisMachine(realm.host);
}

/**
 * Whether the realm is the registry's own: the same host, one below it, or the one that it is below, such as
 * gitlab.com for registry.gitlab.com. Siblings are not: under github.io or co.uk they are strangers.
 */
export function isOwn({ hostname: registry }: URL, { hostname: realm }: URL): boolean {
  if (realm === registry || realm.endsWith(`.${registry}`)) return true;
  if (realm.includes(".") && registry.endsWith(`.${realm}`)) return true;
  return DOCKER_HUB.has(registry) && realm === "auth.docker.io";
}

/** Asks whoever sits at the terminal. @returns false where nobody does */
export async function askAboutRealm(origin: URL, realm: URL): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const question = `${origin.host} asks to log in at ${realm.host}. Send the password there? (y/N) `;
    return /^y(es)?$/i.test((await prompt.question(question)).trim());
  } finally {
    prompt.close();
  }
}

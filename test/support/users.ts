/** Users of the tests. Everybody's password is "secret". */

import { env } from "cloudflare:workers";

/** Of "secret", at bcrypt's lowest cost. */
export const HASH = "$2b$04$OHDsDTBN4AaRDeOpnBHVs.y65CwBk2wtShqCgQr379/7eUJxK1iUe";

export interface Rights {
  access?: { repositories: string[]; actions: string[] }[];
  admin?: boolean;
}

/** @param rights all when absent */
export async function addUser(name: string, rights?: Rights): Promise<void> {
  await env.USERS.put(name, rights === undefined ? HASH : JSON.stringify({ hash: HASH, ...rights }));
}

export function basic(user: string, password = "secret"): string {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

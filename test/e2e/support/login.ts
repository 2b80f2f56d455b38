/** The administrator of the registries under test, and where clients keep their logins. */

import { readFileSync, writeFileSync } from "node:fs";

export const USER = "admin";
export const PASSWORD = "end-to-end";
export const AUTHORIZATION = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`;

/** fetch, logged in. */
export function send(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { ...init, headers: { ...init.headers, Authorization: AUTHORIZATION } });
}

/**
 * Writes into a docker configuration file what a login would, for each registry on this machine that a command
 * names; buildah wants the file even without any. What `docker login` itself does is tested in auth.test.ts.
 */
export function logInTo(file: string, args: readonly string[]): void {
  const hosts = args.flatMap((arg) => arg.match(/127\.0\.0\.1:\d+/g) ?? []);
  const { auths } = read(file);
  for (const host of hosts) auths[host] = { auth: AUTHORIZATION.replace("Basic ", "") };
  writeFileSync(file, JSON.stringify({ auths }));
}

function read(file: string): { auths: Record<string, { auth: string }> } {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { auths: {} };
  }
}

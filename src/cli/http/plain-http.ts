/** Plain HTTP is for this machine. To another one, passwords and images would cross the network for all to read. */

import { badInput } from "../failure.ts";

/** As docker sees it: 127.0.0.0/8 and localhost need no TLS. @param host with or without a port */
export function isThisMachine(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(name);
}

/**
 * @param insecure whether the user insists on it: then there is only a warning
 * @throws Failure for plain HTTP beyond this machine
 */
export function assertPrivate({ protocol, host, origin }: URL, insecure = false): void {
  if (protocol === "https:" || isThisMachine(host)) return;
  const risk = `${origin} is not encrypted: passwords and images would cross the network for all to read`;
  if (!insecure) throw badInput(`${risk}. Use https, or insist with --insecure.`);
  console.error(`Warning: ${risk}.`);
}

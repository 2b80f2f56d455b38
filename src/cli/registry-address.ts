/** How a registry is named: by its host, or by an address with its scheme. */

import { badInput } from "./failure.ts";
import { isThisMachine } from "./http/plain-http.ts";

/**
 * @param text like registry.example.com or http://127.0.0.1:5000. Without a scheme, plain HTTP is spoken to this
 * machine only
 * @returns scheme, host and port
 * @throws Failure
 */
export function parseRegistry(text: string): URL {
  const [, scheme, host = ""] = /^(?:(https?):\/\/)?([^/?#\s]+)\/?$/.exec(text) ?? [];
  if (host.includes("@")) {
    throw badInput("The address must not hold credentials: use docker login, or --username.");
  }
  const address = `${scheme ?? (isThisMachine(host) ? "http" : "https")}://${host}`;
  if (host !== "" && !/^https?:/.test(host) && URL.canParse(address)) return new URL(address);
  throw badInput(
    `${JSON.stringify(text.slice(0, 300))} is not a registry's address: write it like registry.example.com.`,
  );
}

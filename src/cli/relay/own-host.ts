/** What the relay is called. */

import type { Socket } from "node:net";

/**
 * Whether a Host header names this relay: by the address that the connection reached, or by one of this machine's
 * names for itself, with the port.
 * @param header absent from HTTP/1.0 requests, which no browser sends
 * @param name what it was told to listen on, which may be a name as well
 */
export function isOwnHost(
  header: string | undefined,
  { localAddress = "", localPort }: Pick<Socket, "localAddress" | "localPort">,
  name: string | null,
): boolean {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d+))?$/i.exec(header ?? "");
  if (match === null || Number(match[2] ?? 80) !== localPort) return false;
  const called = (match[1] ?? "").toLowerCase();
  // A socket for both families calls IPv4 addresses ::ffff:127.0.0.1.
  const address = localAddress.replace(/^::ffff:/, "");
  const own = ["localhost", "127.0.0.1", "[::1]", address.includes(":") ? `[${address}]` : address];
  return own.includes(called) || called === name?.toLowerCase();
}

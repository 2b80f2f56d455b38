/** Ports of this machine. */

import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { assertFree } from "../../../src/cli/port.ts";

/** Below those that the system gives out by itself: any connection may have one of them at any moment. */
const FIRST = 10_000;
const LAST = 30_000;

/** A port that nobody listens on, and that nobody else gets from here as long as this process lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if ((await claim(port)) && (await isFree(port))) return port;
  }
}

/** Whoever listens on the UDP port of a number has the TCP port. The system gives it back when the process has ended. */
async function claim(port: number): Promise<boolean> {
  const socket = createSocket("udp4").unref();
  try {
    socket.bind({ port, address: "127.0.0.1", exclusive: true });
    await once(socket, "listening");
    return true;
  } catch {
    socket.close();
    return false;
  }
}

function isFree(port: number): Promise<boolean> {
  return assertFree("127.0.0.1", port).then(
    () => true,
    () => false,
  );
}

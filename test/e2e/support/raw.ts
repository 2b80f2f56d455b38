/** Requests on a bare socket, which can be broken off anywhere, as no HTTP library lets one. */

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { AUTHORIZATION } from "./login.ts";

export type Framing = "chunked" | "Content-Length";
/** Closed: everything sent still arrives. Reset: what is on its way is lost. */
export type Ending = "closed" | "reset";

export interface BrokenUpload {
  port: number;
  /** Path and query. */
  target: string;
  method: "PATCH" | "PUT";
  framing: Framing;
  /** What the request promises. */
  body: Uint8Array;
  /** How much of it is sent. */
  sent: number;
  /** How long the line is silent before it breaks; the registry has read everything by then. Milliseconds. */
  pause: number;
  ending: Ending;
}

/** Sends the beginning of an upload and hangs up. */
export async function breakOff(upload: BrokenUpload): Promise<void> {
  const { port, target, method, framing, body, sent, pause, ending } = upload;
  const socket = await open(port);
  const length = framing === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${body.byteLength}`;
  await write(
    socket,
    `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${length}\r\nAuthorization: ${AUTHORIZATION}\r\n\r\n`,
  );
  // One HTTP chunk as large as all of it, so that the break is in the middle of one.
  if (framing === "chunked") await write(socket, `${body.byteLength.toString(16)}\r\n`);
  await write(socket, body.subarray(0, sent));
  await sleep(pause);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  if (ending === "reset") socket.resetAndDestroy();
  else socket.end();
  socket.resume();
  await closed;
}

/**
 * Sends a whole request before it listens, as many HTTP clients do with a body.
 * @param head without Host and Content-Length
 * @returns what is answered, as it comes. @throws when the connection breaks before
 */
export async function sendThenListen(port: number, head: string, body: Uint8Array): Promise<string> {
  const socket = await open(port);
  await write(
    socket,
    `${head}\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\nContent-Length: ${body.byteLength}\r\n\r\n`,
  );
  for (let start = 0; start < body.byteLength; start += 1024 ** 2)
    await write(socket, body.subarray(start, start + 1024 ** 2));
  let answer = "";
  for await (const bytes of socket) answer += String(bytes);
  return answer;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      // From here on a write reports what goes wrong; what the registry thinks of the break is of no interest.
      socket.off("error", reject).on("error", () => {});
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

function write(socket: Socket, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

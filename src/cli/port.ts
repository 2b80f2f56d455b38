/** The port that the registry listens on. */

import { createServer } from "node:net";
import { badInput, Failure } from "./failure.ts";

/** @throws Failure */
export function parsePort(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number > 0 && number < 65_536) return number;
  throw badInput(`PORT is ${JSON.stringify(text)}, but must be a number from 1 to 65535.`);
}

/** @throws Failure when nobody can listen there */
export function assertFree(host: string, port: number): Promise<void> {
  return new Promise((free, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      const other = `Cannot listen on ${host}:${port}: ${error.message}.`;
      reject(new Failure(error.code === "EADDRINUSE" ? portTaken(port) : other));
    });
    probe.listen(port, host, () => probe.close(() => free()));
  });
}

/** What to do when somebody else listens on the port. */
export function portTaken(port: number): string {
  return `Port ${port} is taken. Choose another one: PORT=${port < 65_535 ? port + 1 : port - 1} npm start`;
}

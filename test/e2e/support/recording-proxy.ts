/** Stands before an object store, passes everything on as it is, and remembers who asked for what, and as whom. */

import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Recorded {
  method: string;
  url: URL;
  /** Null when it had none. */
  authorization: string | null;
  userAgent: string;
}

export class RecordingProxy {
  readonly requests: Recorded[] = [];
  readonly #server: Server;

  /** @param target port of the store */
  constructor(target: number) {
    this.#server = createServer((incoming, response) => {
      this.requests.push(recorded(incoming));
      const { method, url, headers } = incoming;
      const outgoing = request({ host: "127.0.0.1", port: target, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
        answer.on("error", () => response.destroy());
      });
      outgoing.on("error", () => response.destroy());
      incoming.pipe(outgoing);
    });
  }

  /** @returns the port */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve((this.#server.address() as AddressInfo).port));
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function recorded({ method = "", url = "/", headers }: IncomingMessage): Recorded {
  return {
    method,
    url: new URL(url, "http://store"),
    authorization: headers.authorization ?? null,
    userAgent: headers["user-agent"] ?? "",
  };
}

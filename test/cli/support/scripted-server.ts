/** An HTTP server that answers as a test says, and remembers what it was asked. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface Asked {
  method: string;
  /** Path and query. */
  url: string;
  authorization: string | undefined;
  body: string;
}

type Reply = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

export class ScriptedServer {
  readonly asked: Asked[] = [];
  /** Answers each request. */
  reply: Reply = (_, response) => response.writeHead(404).end();
  /** As it stands in an image's name; set once it listens. */
  host = "";
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch(() => response.destroy());
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((listening) => this.#server.listen(0, "127.0.0.1", listening));
    this.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const asked = { method, url, authorization: headers.authorization, body: await text(request) };
    this.asked.push(asked);
    this.reply(asked, response, request);
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
}

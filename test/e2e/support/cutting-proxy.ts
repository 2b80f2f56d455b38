/** A wire to the registry that breaks once. */

import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export type Direction = "push" | "pull";

export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cuts = 0;

  /**
   * @param target port of the registry
   * @param after  how many bytes in `direction` the first connection to carry as many gets through
   */
  constructor(target: number, direction: Direction, after: number) {
    this.#server = createServer((client) => {
      const registry = connect(target, "127.0.0.1");
      let carried = 0;
      this.#join(client, registry);
      (direction === "push" ? client : registry).on("data", (data: Buffer) => {
        carried += data.byteLength;
        if (this.#cuts > 0 || carried < after) return;
        this.#cuts++;
        registry.resetAndDestroy();
        // Who pulls sees the stream end too early; who pushes sees that nobody listens any more.
        if (direction === "pull") client.destroySoon();
        else client.resetAndDestroy();
      });
    });
  }

  /** How often the wire has broken: 0 or 1. */
  get cuts(): number {
    return this.#cuts;
  }

  /** @returns the host for clients to use */
  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => {
        resolve(`127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
      });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, registry: Socket): void {
    for (const [from, to] of [
      [client, registry],
      [registry, client],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      // An end that breaks takes the other one with it.
      from.on("error", () => to.destroy()).on("close", () => this.#sockets.delete(from));
    }
  }
}

/** How far a long command is: on a terminal one line that is rewritten, else a line now and then. */

import { fitLine } from "../output.ts";

/** Between two lines where there is no terminal. Milliseconds. */
const INTERVAL = 10_000;

export class Ticker {
  readonly #stream: NodeJS.WriteStream;
  #shown = "";
  #last = Date.now();

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  tick(text: string): void {
    if (this.#stream.isTTY) {
      this.#shown = fitLine(text, this.#stream);
      this.#stream.write(`\r\x1b[K${this.#shown}`);
    } else if (Date.now() - this.#last >= INTERVAL) {
      this.#last = Date.now();
      this.#stream.write(`${text}\n`);
    }
  }

  /** Makes room for another line. */
  clear(): void {
    if (this.#shown !== "") this.#stream.write("\r\x1b[K");
    this.#shown = "";
  }

  log(line: string): void {
    this.clear();
    this.#stream.write(`${line}\n`);
  }
}

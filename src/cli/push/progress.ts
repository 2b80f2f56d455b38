/** What a push shows while it runs: a bar for each blob on a terminal, else a line when something happened. */

import type { Digest } from "../../oci/digest.ts";
import { fitLine } from "../output.ts";
import { formatSize } from "../size.ts";
import { shorten } from "./image.ts";
import type { BlobOutcome } from "./push-blob.ts";

export interface ProgressLine {
  /** @param bytes that the registry has */
  update(bytes: number): void;
  end(outcome: Pick<BlobOutcome, "resumed"> & { kind: BlobOutcome["kind"] | "written" }): void;
  /** It failed: what there is to say is said elsewhere. */
  drop(): void;
}

export interface Progress {
  begin(digest: Digest, size: number): ProgressLine;
  /** Prints a line without tearing the bars. */
  log(line: string): void;
  /** Draws no more. */
  stop(): void;
}

export function createProgress(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? new Bars(stream) : new Lines(stream);
}

class Lines implements Progress {
  readonly #stream: NodeJS.WritableStream;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  begin(digest: Digest, size: number): ProgressLine {
    return {
      update() {},
      drop() {},
      end: (outcome) => this.log(`${shorten(digest)}  ${formatSize(size)}  ${describe(outcome)}`),
    };
  }

  log(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  stop(): void {}
}

interface Bar {
  digest: Digest;
  /** Bytes. */
  size: number;
  /** What the registry has, bytes, and since when, milliseconds: the last ones only, the oldest first. */
  samples: { time: number; bytes: number }[];
}

/** The speed shown is that of the last while. Milliseconds. */
const SPEED_WINDOW = 10_000;

const REDRAW_INTERVAL = 100;
const BAR_WIDTH = 24;

/** Bars of running blobs stay at the bottom; finished ones become lines above. */
class Bars implements Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #running = new Set<Bar>();
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#timer = setInterval(() => this.#draw(""), REDRAW_INTERVAL);
    this.#timer.unref();
  }

  begin(digest: Digest, size: number): ProgressLine {
    const bar: Bar = { digest, size, samples: [] };
    this.#running.add(bar);
    return {
      update: (bytes) => {
        const time = Date.now();
        bar.samples = [...bar.samples.filter((old) => time - old.time < SPEED_WINDOW), { time, bytes }];
      },
      drop: () => {
        this.#running.delete(bar);
      },
      end: (outcome) => {
        this.#running.delete(bar);
        this.log(`${shorten(digest)}  ${formatSize(size).padStart(9)}  ${describe(outcome)}`);
      },
    };
  }

  log(line: string): void {
    this.#draw(`${line}\n`);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#running.clear();
    this.#draw("");
  }

  #draw(above: string): void {
    if (above === "" && this.#drawn === 0 && this.#running.size === 0) return;
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : "";
    const bars = [...this.#running].map((bar) => fitLine(render(bar, Date.now()), this.#stream));
    this.#drawn = bars.length;
    this.#stream.write(`${up}\x1b[0J${above}${bars.map((bar) => `${bar}\n`).join("")}`);
  }
}

function render({ digest, size, samples }: Bar, now: number): string {
  const [oldest = { time: now, bytes: 0 }] = samples;
  const { bytes } = samples.at(-1) ?? oldest;
  const share = size === 0 ? 1 : bytes / size;
  const full = Math.round(share * BAR_WIDTH);
  const speed = (bytes - oldest.bytes) / Math.max((now - oldest.time) / 1000, 0.1);
  const bar = "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${shorten(digest)}  ${bar} ${percent} of ${formatSize(size)}  ${formatSize(Math.round(speed))}/s`;
}

function describe({ kind, resumed }: Parameters<ProgressLine["end"]>[0]): string {
  if (kind === "exists") return "is there already";
  if (kind === "mounted") return "mounted";
  return resumed > 0 ? `${kind}, from ${formatSize(resumed)} on` : kind;
}

/**
 * A client that repeats what was answered 503, as real ones do, and believes what it is told. Everything that a
 * registry must not answer it writes down.
 */

import { finishBackground } from "../support/background.ts";
import { mend } from "../support/faults.ts";
import { request } from "../support/registry.ts";

/** What the log must say of a request that was answered 503, or of a run that failed. */
const LOG_LINE = /"event":"(not-available|upload-not-available|object-not-put|garbage-collection)"/;

const MAX_REPETITIONS = 3;

export interface Asked {
  method: string;
  path: string;
  /** Made anew for every repetition: a stream can be sent only once. */
  init?: () => RequestInit;
  expected: number[];
  /** What is expected of a repetition; `expected` when absent. */
  repeated?: number[];
}

export class PatientClient {
  /** How often it was answered 503. */
  refusals = 0;
  readonly complaints: string[] = [];
  /** Lines that the registry has logged. */
  readonly log: readonly string[];

  constructor(log: readonly string[]) {
    this.log = log;
  }

  /** Asks until the answer is no 503. @returns that answer, with its body read */
  async ask({ method, path, init, expected, repeated = expected }: Asked): Promise<Response> {
    for (let before = 0; ; before++) {
      const logged = this.log.length;
      const response = await request(method, path, init?.() ?? {});
      const body = await response.arrayBuffer();
      const answer = new Response(body.byteLength === 0 ? null : body, response);
      // What is done behind the answer comes before the next request, always in this order.
      await finishBackground();
      // What failed until here is over: a client comes back later.
      mend();
      if (response.status !== 503) {
        const allowed = before === 0 ? expected : repeated;
        if (!allowed.includes(response.status)) {
          this.complain(`${method} ${path} answered ${response.status}, not ${allowed.join(" or ")}`, body);
        }
        return answer;
      }
      this.refusals++;
      if (!response.headers.has("Retry-After")) this.complain(`${method} ${path}: 503 without Retry-After`);
      if (!this.log.slice(logged).some((line) => LOG_LINE.test(line))) {
        this.complain(`${method} ${path}: 503, and the log does not say why`);
      }
      if (before === MAX_REPETITIONS) throw new Error(`${method} ${path} is answered 503 for ever`);
    }
  }

  complain(what: string, body?: ArrayBuffer): void {
    this.complaints.push(
      body === undefined ? what : `${what}: ${new TextDecoder().decode(body).slice(0, 300)}`,
    );
  }

  /** end-4a. @returns the session's Location */
  async startUpload(name: string): Promise<string> {
    const response = await this.ask({
      ...{ method: "POST", path: `/v2/${name}/blobs/uploads/`, expected: [202] },
    });
    return response.headers.get("Location") ?? "";
  }

  /**
   * end-5, end-6: sends bytes of `content` up to `end`, and after a failure goes on from where the session is.
   * @param digest closes the session with them
   */
  async send(
    location: string,
    content: Uint8Array<ArrayBuffer>,
    start: number,
    end: number,
    digest?: string,
  ): Promise<void> {
    for (let offset = start, first = true; ; first = false) {
      const response = await this.ask({
        method: digest === undefined ? "PATCH" : "PUT",
        path: digest === undefined ? location : `${location}?digest=${digest}`,
        init: () => ({
          body: content.slice(offset, end),
          headers: { "Content-Range": `${offset}-${end - 1}` },
        }),
        expected: [digest === undefined ? 202 : 201, ...(first ? [] : [416])],
        repeated: [digest === undefined ? 202 : 201, 416],
      });
      if (response.status !== 416) return;
      const kept = offsetIn(response);
      if (kept <= offset && !first) return this.complain(`${location} does not get beyond byte ${offset}`);
      offset = kept;
      if (offset === end) return digest === undefined ? undefined : this.close(location, digest);
    }
  }

  /** end-6, without bytes */
  async close(location: string, digest: string): Promise<void> {
    await this.ask({ method: "PUT", path: `${location}?digest=${digest}`, expected: [201] });
  }

  /** end-7 */
  putManifest(name: string, reference: string, manifest: object, expected = [201]): Promise<Response> {
    const { mediaType } = manifest as { mediaType: string };
    return this.ask({
      method: "PUT",
      path: `/v2/${name}/manifests/${reference}`,
      init: () => ({
        body: new TextEncoder().encode(JSON.stringify(manifest)),
        headers: { "Content-Type": mediaType },
      }),
      expected,
    });
  }

  async expectText(method: string, path: string, text: string, headers: Record<string, string> = {}) {
    const status = headers.Range === undefined ? 200 : 206;
    const response = await this.ask({ method, path, init: () => ({ headers }), expected: [status] });
    const found = await response.text();
    if (found !== text) this.complain(`${method} ${path} is ${found.slice(0, 50)}, not ${text.slice(0, 50)}`);
  }
}

function offsetIn(response: Response): number {
  const last = Number(response.headers.get("Range")?.split("-")[1]);
  return last === 0 ? 0 : last + 1;
}

/** Cloudflare's API, asked as wrangler asks it, but by this process: wrangler takes seconds to start for each question. */

import { describe, Failure } from "../failure.ts";
import { type Agents, createAgents } from "../http/agents.ts";
import { complaint } from "../http/complaint.ts";
import { type Answer, ask, ConnectionFailure } from "../http/exchange.ts";
import { isGatewayFault, Patience, QUICK_PAUSES } from "../http/retry.ts";
import type { Access } from "./access.ts";

/** Cloudflare refused. Its message has its number, as in "403 10042: Please enable R2 …". */
export class CloudflareRefusal extends Failure {
  readonly status: number;

  constructor(method: string, path: string, answer: Answer) {
    super(`Cloudflare answers ${complaint(answer)} to ${method} ${path}`);
    this.name = "CloudflareRefusal";
    this.status = answer.status;
  }
}

interface Envelope<T> {
  result: T;
  result_info?: { cursor?: string | null; page?: number; total_pages?: number } | null;
}

export class CloudflareApi {
  readonly #agents: Agents = createAgents();
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  /** @param path below the API. @throws Failure, a CloudflareRefusal when Cloudflare says so */
  async get<T>(path: string): Promise<T> {
    return read<T>(await this.#accepted("GET", path)).result;
  }

  /** The answer's body as it is; null when nothing is there. */
  async getText(path: string): Promise<string | null> {
    const answer = await this.#ask("GET", path);
    if (answer.status === 404) return null;
    if (answer.status !== 200) throw new CloudflareRefusal("GET", path, answer);
    return answer.body.toString();
  }

  /** All pages of a list whose pages are told by a cursor. @param query begins with "?" */
  async getAll<T>(path: string, query: string): Promise<T[]> {
    const all: T[] = [];
    for (let cursor = ""; ; ) {
      const more = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const { result, result_info } = read<T[]>(await this.#accepted("GET", `${path}${query}${more}`));
      all.push(...result);
      cursor = result_info?.cursor ?? "";
      if (cursor === "") return all;
    }
  }

  /** @param repeatable whether it may be done twice, when nobody knows whether it was done */
  async send<T>(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    body?: unknown,
    repeatable = method !== "POST",
  ): Promise<T> {
    return read<T>(await this.#accepted(method, path, body, repeatable)).result;
  }

  async #accepted(method: string, path: string, body?: unknown, repeatable = true): Promise<Answer> {
    const answer = await this.#ask(method, path, body, repeatable);
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw new CloudflareRefusal(method, path, answer);
  }

  /** Again after what passes. */
  async #ask(method: string, path: string, body?: unknown, repeatable = true): Promise<Answer> {
    const patience = new Patience(QUICK_PAUSES);
    for (;;) {
      try {
        const answer = await this.#once(method, path, body);
        const again = answer.status === 429 || (isGatewayFault(answer.status) && repeatable);
        if (!again || !(await patience.wait(complaint(answer), answer))) return answer;
      } catch (error) {
        if (!(error instanceof ConnectionFailure)) throw error;
        if (!repeatable || !(await patience.wait(describe(error))))
          throw new Failure(`Cloudflare cannot be asked: ${describe(error)}`);
      }
    }
  }

  #once(method: string, path: string, body?: unknown): Promise<Answer> {
    const url = new URL(`${this.#access.api}${path}`);
    const headers = { ...this.#access.headers, "User-Agent": "berth" };
    if (body === undefined) return ask(this.#agents, { method, url, headers });
    const bytes = Buffer.from(JSON.stringify(body));
    return ask(this.#agents, {
      method,
      url,
      headers: { ...headers, "Content-Type": "application/json", "Content-Length": bytes.byteLength },
      body: () => [bytes],
    });
  }
}

/** @throws Failure when it is no answer of the API's */
function read<T>(answer: Answer): Envelope<T> {
  try {
    return JSON.parse(answer.body.toString());
  } catch {
    throw new Failure("Cloudflare's answer is no JSON: something else may stand in front of its API.");
  }
}

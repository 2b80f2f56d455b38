/** Berth's own API under /v2/_berth, for programs that administer a registry. */

import process from "node:process";
import type { Command } from "commander";
import { Failure } from "../failure.ts";
import { type Agents, createAgents, destroyAgents } from "../http/agents.ts";
import { complaint } from "../http/complaint.ts";
import { type Answer, ask, ConnectionFailure } from "../http/exchange.ts";
import { assertPrivate } from "../http/plain-http.ts";
import { isPassing, Patience } from "../http/retry.ts";
import { basic } from "../login/credentials.ts";
import { type LoginOptions, readCredentials, withLogin } from "../login/options.ts";
import { parseRegistry } from "../registry-address.ts";

export interface AdminOptions extends LoginOptions {
  registry: string;
  insecure?: boolean;
}

/** What goes with a request. */
export interface Call {
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** For what can be asked twice: how often it is tried again while the registry is away. */
  patience?: Patience;
}

/** Adds the options that {@link AdminApi.open} reads. */
export function withRegistry(command: Command): Command {
  const local = `127.0.0.1:${process.env.PORT ?? 5000}`;
  return withLogin(
    command
      .option("--registry <host>", "which registry", local)
      .option("--insecure", "speak plain HTTP to a registry on another machine"),
  );
}

export class AdminApi {
  readonly #origin: URL;
  readonly #authorization: string | null;
  readonly #agents: Agents = createAgents();

  private constructor(origin: URL, authorization: string | null) {
    this.#origin = origin;
    this.#authorization = authorization;
  }

  /** The caller closes it. @throws Failure */
  static async open(options: AdminOptions): Promise<AdminApi> {
    const origin = parseRegistry(options.registry);
    assertPrivate(origin, options.insecure);
    const credentials = await readCredentials(origin.host, options);
    if (credentials?.kind === "identity-token") {
      throw new Failure(`Docker keeps no password for ${origin.host}: use --username and --password-stdin.`);
    }
    // A token never carries an administrator's rights: the password is sent, whatever a challenge would ask for.
    return new AdminApi(origin, credentials && basic(credentials));
  }

  close(): void {
    destroyAgents(this.#agents);
  }

  /**
   * Sends one request.
   * @param path below /v2/_berth/
   * @returns what the registry answers, parsed; null when the answer has no body
   * @throws Failure when the registry refuses, or cannot be reached
   */
  async call(
    method: string,
    path: string,
    { query = {}, body, patience = new Patience([]) }: Call = {},
  ): Promise<unknown> {
    const url = new URL(`/v2/_berth/${path}`, this.#origin);
    url.search = new URLSearchParams(query).toString();
    for (;;) {
      try {
        const answer = await this.#ask(method, url, body);
        if (!isPassing(answer.status) || !(await patience.wait(complaint(answer), answer))) {
          return this.#read(answer);
        }
      } catch (error) {
        if (!(error instanceof ConnectionFailure)) throw error;
        if (!(await patience.wait(error.message))) throw this.#unreachable(error);
      }
    }
  }

  #ask(method: string, url: URL, json: unknown): Promise<Answer> {
    const bytes = Buffer.from(json === undefined ? "" : JSON.stringify(json));
    const headers = {
      ...(method !== "GET" && { "Content-Length": bytes.length }),
      ...(json !== undefined && { "Content-Type": "application/json" }),
      ...(this.#authorization !== null && { Authorization: this.#authorization }),
    };
    return ask(this.#agents, { method, url, headers, ...(bytes.length > 0 && { body: () => [bytes] }) });
  }

  #read(answer: Answer): unknown {
    const { host } = this.#origin;
    if (answer.status === 401) throw this.#unauthorized(answer);
    if (answer.status < 200 || answer.status > 299) {
      throw new Failure(`${host} answered ${complaint(answer)}.`);
    }
    if (answer.body.length === 0) return null;
    try {
      return JSON.parse(answer.body.toString());
    } catch {
      throw new Failure(`${host} is no Berth registry: its answer is not JSON. Check the address.`);
    }
  }

  #unreachable({ message }: ConnectionFailure): Failure {
    return new Failure(
      `Cannot reach ${this.#origin.origin} (${message}): check the address and the network.`,
    );
  }

  #unauthorized(answer: Answer): Failure {
    const { host } = this.#origin;
    if (this.#authorization !== null) return new Failure(`${host} answered ${complaint(answer)}.`);
    return new Failure(
      `${host} wants credentials: run docker login ${host}, or use --username and --password-stdin.`,
    );
  }
}

/** Opens the API for `use`, and closes it. @throws Failure */
export async function withApi(
  options: AdminOptions,
  use: (api: AdminApi) => Promise<unknown>,
): Promise<void> {
  const api = await AdminApi.open(options);
  try {
    await use(api);
  } finally {
    api.close();
  }
}

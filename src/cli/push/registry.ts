/** A repository of a registry, in the specification's verbs. Passing faults are waited out. */

import type { IncomingMessage } from "node:http";
import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName, Tag } from "../../oci/reference.ts";
import { Failure } from "../failure.ts";
import type { Agents } from "../http/agents.ts";
import { complaint } from "../http/complaint.ts";
import { type Answer, ask, ConnectionFailure, open, type Request } from "../http/exchange.ts";
import { assertNoDowngrade, redirectionOf } from "../http/redirection.ts";
import { isFromRegistry } from "../http/registry-check.ts";
import { isPassing, Patience } from "../http/retry.ts";
import type { Authorizer } from "../login/authorizer.ts";
import { type ChunkLimits, chunkLimitsOf, locationOf } from "../upload/session.ts";

/** How often a blob may be elsewhere. */
const MAX_HOPS = 5;

/** A new session, and the chunks that it wants. */
export interface StartedUpload {
  location: URL;
  limits: ChunkLimits;
}

export class Registry {
  readonly origin: URL;
  readonly name: RepositoryName;
  readonly pauses: readonly number[];
  readonly #agents: Agents;
  readonly #authorizer: Authorizer;
  readonly log: (line: string) => void;

  constructor(
    { origin, name }: { origin: URL; name: RepositoryName },
    agents: Agents,
    authorizer: Authorizer,
    pauses: readonly number[],
    log: (line: string) => void,
  ) {
    this.origin = origin;
    this.name = name;
    this.pauses = pauses;
    this.#agents = agents;
    this.#authorizer = authorizer;
    this.log = log;
  }

  /** end-1. @throws Failure when no registry answers, or the credentials are wrong */
  async check(): Promise<void> {
    const url = new URL("/v2/", this.origin);
    let answer: Answer;
    try {
      answer = await this.send({ method: "GET", url });
    } catch (error) {
      if (!(error instanceof ConnectionFailure)) throw error;
      throw new Failure(
        `Cannot reach ${this.origin.origin} (${error.message}): check the name and the network.`,
      );
    }
    if (answer.status === 401 || isPassing(answer.status) || isFromRegistry(answer)) return;
    throw new Failure(
      `${this.origin.origin} is no registry: GET /v2/ answered ${answer.status}. Check the name.`,
    );
  }

  /** end-2 */
  async blobExists(digest: Digest): Promise<boolean> {
    const answer = await this.patiently("HEAD", `blobs/${digest}`);
    if (answer.status === 200) return true;
    if (answer.status === 404) return false;
    throw this.refusal(answer, `look for ${digest}`);
  }

  /** end-4a */
  async startUpload(): Promise<StartedUpload> {
    return this.#started(await this.patiently("POST", "blobs/uploads/"));
  }

  /**
   * end-11.
   * @param from null for wherever the registry has it
   * @returns null when the blob is mounted, else a session to bring it
   */
  async mount(digest: Digest, from: RepositoryName | null): Promise<StartedUpload | null> {
    const where = from === null ? "" : `&from=${from}`;
    const answer = await this.patiently("POST", `blobs/uploads/?mount=${digest}${where}`);
    return answer.status === 201 ? null : this.#started(answer);
  }

  /** end-7 */
  async putManifest(reference: Digest | Tag, bytes: Uint8Array, mediaType: string): Promise<void> {
    const headers = { "Content-Type": mediaType, "Content-Length": bytes.length };
    const answer = await this.patiently("PUT", `manifests/${reference}`, headers, bytes);
    if (answer.status < 200 || answer.status > 299)
      throw this.refusal(answer, `take the manifest ${reference}`);
  }

  /**
   * end-2, for a body that is read as it comes; where the registry says that it is elsewhere, from there.
   * @param offset where to begin, bytes
   * @returns the response, whatever its status; its body is the caller's to read or destroy
   * @throws ConnectionFailure
   */
  async openBlob(digest: Digest, offset: number): Promise<IncomingMessage> {
    const range = offset > 0 ? { Range: `bytes=${offset}-` } : {};
    let url = new URL(`/v2/${this.name}/blobs/${digest}`, this.origin);
    for (let hops = 0, logins = 0; ; ) {
      const used = url.origin === this.origin.origin ? this.#authorizer.header : null;
      const headers = { ...range, ...(used !== null && { Authorization: used }) };
      const message = await open(this.#agents, { method: "GET", url, headers });
      const target = redirectionOf(message, url);
      if (target !== null && hops < MAX_HOPS) {
        message.destroy();
        assertNoDowngrade(url, target);
        hops += 1;
        url = target;
      } else if (message.statusCode === 401 && url.origin === this.origin.origin && logins < 2) {
        message.destroy();
        logins += 1;
        const { headers, rawHeaders } = message;
        const refused = { status: 401, headers, rawHeaders, body: Buffer.alloc(0) };
        if (!(await this.#authorizer.answer(refused, used))) return message;
      } else return message;
    }
  }

  /** Sends one request, with credentials when it goes to this registry. */
  async send(request: Request): Promise<Answer> {
    if (request.url.origin !== this.origin.origin) return ask(this.#agents, request);
    for (let tries = 0; ; tries += 1) {
      const used = this.#authorizer.header;
      const headers = { ...request.headers, ...(used !== null && { Authorization: used }) };
      const answer = await ask(this.#agents, { ...request, headers });
      // A token runs out in the middle of a push: once refused, another is fetched.
      if (answer.status !== 401 || tries === 2) return answer;
      if (!(await this.#authorizer.answer(answer, used))) return answer;
    }
  }

  /**
   * Sends a request about this repository, and waits out passing faults.
   * @param path below /v2/<name>/, or a URL of this registry
   * @throws ConnectionFailure
   */
  async patiently(
    method: string,
    path: string | URL,
    headers: Record<string, string | number> = { "Content-Length": 0 },
    bytes?: Uint8Array,
  ): Promise<Answer> {
    const url = typeof path === "string" ? new URL(`/v2/${this.name}/${path}`, this.origin) : path;
    const patience = new Patience(this.pauses, (pause, reason) => {
      this.log(`${reason}; trying again in ${pause / 1000} s`);
    });
    for (;;) {
      try {
        const answer = await this.send({ method, url, headers, ...(bytes && { body: () => [bytes] }) });
        if (!isPassing(answer.status)) return answer;
        if (!(await patience.wait(complaint(answer), answer))) return answer;
      } catch (error) {
        if (!(error instanceof ConnectionFailure) || !(await patience.wait(error.message))) throw error;
      }
    }
  }

  #started(answer: Answer): StartedUpload {
    const location = locationOf(answer, this.origin);
    if (answer.status !== 202 || location === null) throw this.refusal(answer, "begin an upload");
    return { location, limits: chunkLimitsOf(answer) };
  }

  /** What a refusal is to the user. */
  refusal(answer: Answer, what: string): Failure {
    let hint = "";
    if (answer.status === 401) hint = ` Run docker login ${this.origin.host}.`;
    if (answer.status >= 500) hint = " Is its storage full? Run the same command again to go on.";
    return new Failure(`${this.origin.host} refuses to ${what}: ${complaint(answer)}.${hint}`);
  }
}

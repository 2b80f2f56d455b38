/** Answers a registry's challenges: Basic, or Bearer with a token from where the challenge says. */

import { Failure } from "../failure.ts";
import type { Agents } from "../http/agents.ts";
import { complaint } from "../http/complaint.ts";
import { type Answer, ask } from "../http/exchange.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { basic, type Credentials } from "./credentials.ts";
import { isOwn, isSafe } from "./realm.ts";

export class Authorizer {
  readonly #agents: Agents;
  readonly #origin: URL;
  readonly #scopes: readonly string[];
  readonly #credentials: Credentials | null;
  readonly #mayLogInAt: (realm: URL) => Promise<boolean>;
  /** Hosts that were agreed to: a token runs out in the middle of a push, and another is fetched. */
  readonly #agreed = new Set<string>();
  #header: string | null = null;
  /** One at a time, for all requests that were refused together. */
  #answering: Promise<void> | null = null;

  /**
   * @param scopes what a token must allow, such as repository:team/app:pull,push
   * @param mayLogInAt whether credentials may go to a host that is not the registry's own
   */
  constructor(
    agents: Agents,
    origin: URL,
    scopes: readonly string[],
    credentials: Credentials | null,
    mayLogInAt: (realm: URL) => Promise<boolean> = async () => false,
  ) {
    this.#mayLogInAt = mayLogInAt;
    this.#agents = agents;
    this.#origin = origin;
    this.#scopes = scopes;
    this.#credentials = credentials;
  }

  /** The Authorization header for this registry; null before a challenge. */
  get header(): string | null {
    return this.#header;
  }

  /**
   * Answers the challenge of a 401.
   * @param used the header that was refused, if any
   * @returns whether another try is worth it
   * @throws Failure when credentials are missing or wrong
   */
  async answer(refused: Answer, used: string | null): Promise<boolean> {
    // Another request has answered it since.
    if (this.#header !== used) return true;
    this.#answering ??= this.#authenticate(refused, used).finally(() => {
      this.#answering = null;
    });
    await this.#answering;
    return this.#header !== used;
  }

  async #authenticate(refused: Answer, used: string | null): Promise<void> {
    const challenges = parseChallenges(String(refused.headers["www-authenticate"] ?? ""));
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) {
      this.#header = `Bearer ${await this.#fetchToken(bearer)}`;
    } else if (challenges.some(({ scheme }) => scheme === "basic")) {
      if (used !== null) throw this.#wrong();
      this.#header = this.#basic();
    } else {
      throw new Failure(
        `${this.#origin.host} answered ${complaint(refused)}, and does not say how to log in.`,
      );
    }
  }

  /** Docker's token specification; with an identity token its OAuth2 form. */
  async #fetchToken({ parameters }: Challenge): Promise<string> {
    const { service } = parameters;
    const realm = await this.#realm(parameters.realm ?? "");
    const fields = new URLSearchParams();
    if (service) fields.set("service", service);
    const credentials = this.#credentials;
    const answer =
      credentials?.kind === "identity-token"
        ? await this.#postRefreshToken(realm, fields, credentials.token)
        : await this.#getToken(new URL(realm), fields);
    if (answer.status === 401 || answer.status === 403) throw this.#wrong();
    try {
      const { token, access_token } = JSON.parse(answer.body.toString());
      if (typeof (token || access_token) === "string") return token || access_token;
    } catch {}
    throw new Failure(`${realm.host} gave no token: it answered ${complaint(answer)}.`);
  }

  /** @throws Failure when nothing, or no password, is to go there */
  async #realm(text: string): Promise<URL> {
    const origin = this.#origin;
    const realm = URL.canParse(text) ? new URL(text) : null;
    if (realm === null || !isSafe(origin, realm)) {
      throw new Failure(`${origin.host} sends for a token to ${text || "nowhere"}: not followed.`);
    }
    if (this.#credentials === null || isOwn(origin, realm) || this.#agreed.has(realm.host)) return realm;
    if (!(await this.#mayLogInAt(realm))) {
      throw new Failure(
        `${origin.host} asks to log in at ${realm.host}, and no password is sent there unasked. If that is right, use --allow-realm ${realm.host}.`,
      );
    }
    this.#agreed.add(realm.host);
    return realm;
  }

  #getToken(url: URL, fields: URLSearchParams): Promise<Answer> {
    for (const [name, value] of fields) url.searchParams.set(name, value);
    for (const scope of this.#scopes) url.searchParams.append("scope", scope);
    const headers = this.#credentials === null ? {} : { Authorization: this.#basic() };
    return ask(this.#agents, { method: "GET", url, headers });
  }

  #postRefreshToken(url: URL, fields: URLSearchParams, token: string): Promise<Answer> {
    fields.set("grant_type", "refresh_token");
    fields.set("refresh_token", token);
    fields.set("client_id", "berth");
    fields.set("scope", this.#scopes.join(" "));
    const body = Buffer.from(fields.toString());
    const headers = {
      "Content-Type": "application/x-www-form-urlencoded",
      "Content-Length": body.length,
    };
    return ask(this.#agents, { method: "POST", url, headers, body: () => [body] });
  }

  #basic(): string {
    if (this.#credentials?.kind !== "password") throw this.#missing();
    return basic(this.#credentials);
  }

  #wrong(): Failure {
    if (this.#credentials === null) return this.#missing();
    const { host } = this.#origin;
    return new Failure(
      `${host} refuses these credentials: check user and password, or run docker login ${host} again.`,
    );
  }

  #missing(): Failure {
    const { host } = this.#origin;
    return new Failure(
      `${host} wants credentials: run docker login ${host}, or use --username and --password-stdin.`,
    );
  }
}

/** One side of a copy: a registry, with who logs in there. */

import { parseRepositoryName, type RepositoryName } from "../../oci/reference.ts";
import type { Agents } from "../http/agents.ts";
import { UPLOAD_PAUSES } from "../http/retry.ts";
import { Authorizer } from "../login/authorizer.ts";
import type { Credentials } from "../login/credentials.ts";
import { askAboutRealm } from "../login/realm.ts";
import { Registry } from "../push/registry.ts";

/** Of so many repositories before it a new one may mount blobs; a token says so of each. */
const MOUNTED_FROM = 20;

export class Endpoint {
  readonly origin: URL;
  readonly #agents: Agents;
  readonly #credentials: Credentials | null;
  readonly #actions: "pull" | "pull,push";
  readonly #allowed: readonly string[];
  readonly #log: (line: string) => void;
  #before: RepositoryName[] = [];

  /** @param allowed hosts where else the password may go for a token */
  constructor(
    agents: Agents,
    origin: URL,
    credentials: Credentials | null,
    actions: "pull" | "pull,push",
    allowed: readonly string[],
    log: (line: string) => void,
  ) {
    this.origin = origin;
    this.#agents = agents;
    this.#credentials = credentials;
    this.#actions = actions;
    this.#allowed = allowed;
    this.#log = log;
  }

  repository(name: RepositoryName): Registry {
    const others = this.#before.map((other) => `repository:${other}:pull`);
    if (this.#actions !== "pull") this.#before = [name, ...this.#before].slice(0, MOUNTED_FROM);
    return this.#open(name, [`repository:${name}:${this.#actions}`, ...others]);
  }

  /** For what concerns no repository. */
  any(): Registry {
    return this.#open(parseRepositoryName("any"), []);
  }

  /** For the list of all repositories. */
  catalog(): Registry {
    return this.#open(parseRepositoryName("any"), ["registry:catalog:*"]);
  }

  #open(name: RepositoryName, scopes: string[]): Registry {
    const { origin } = this;
    const authorizer = new Authorizer(this.#agents, origin, scopes, this.#credentials, async (realm) => {
      return this.#allowed.includes(realm.host) || askAboutRealm(origin, realm);
    });
    return new Registry({ origin, name }, this.#agents, authorizer, UPLOAD_PAUSES, this.#log);
  }
}

/** What a caller may do: rights, and where it came with a token, the part of them that the token carries. */

import type { Glob } from "../oci/globs.ts";
import type { Scopes } from "./scopes.ts";
import { type Action, type Grant, parseGrant, type UserEntry } from "./user-entry.ts";
import { coversGrants, type Rights } from "./user-rules.ts";

/** Whom a request is of, as a token names it: what it may do is looked up anew each time. */
export type Subject =
  | { kind: "anonymous" }
  /** The fingerprint is of the user's entry: another one ends the token. */
  | { kind: "user"; user: string; fingerprint: string }
  /** A machine token, by its id. */
  | { kind: "machine"; user: string; id: string }
  /** Who signed in elsewhere: its name there, and the rules that matched, each with its fingerprint. */
  | { kind: "oidc"; name: string; rules: Record<string, string> };

interface Identity {
  subject: Subject;
  /** What to call the caller in a message or a log; null for an anonymous one. */
  who: string | null;
  /** Whose rights these are; null where they are of no user. */
  user: string | null;
  /** When the credentials end, and with them every token given for them; null for never. Milliseconds. */
  expiresAt: number | null;
}

export class Access {
  readonly subject: Subject;
  readonly who: string | null;
  readonly user: string | null;
  readonly expiresAt: number | null;
  /** Whether the caller may do what is of no repository, such as collect garbage. */
  readonly admin: boolean;
  /** Whether the caller came with a token of the token endpoint. */
  readonly byToken: boolean;
  readonly #identity: Identity;
  /** Each has to allow what is done. */
  readonly #rights: readonly Grant[][];
  /** Null when the caller is not held to what a token carries. */
  readonly #carried: Scopes | null;

  private constructor(
    identity: Identity,
    rights: readonly Grant[][],
    { admin = false, byToken = false, carried = null as Scopes | null } = {},
  ) {
    this.subject = identity.subject;
    this.who = identity.who;
    this.user = identity.user;
    this.expiresAt = identity.expiresAt;
    this.admin = admin;
    this.byToken = byToken;
    this.#identity = identity;
    this.#rights = rights;
    this.#carried = carried;
  }

  /** A caller without credentials: may pull from public repositories. */
  static anonymous(publicRepositories: Glob[]): Access {
    const nobody: Identity = { subject: { kind: "anonymous" }, who: null, user: null, expiresAt: null };
    return new Access(nobody, [open(publicRepositories)]);
  }

  /** A user who sent the password, or a token that was given for it. */
  static ofUser(user: string, entry: UserEntry, publicRepositories: Glob[]): Access {
    const { grants, admin, fingerprint } = entry;
    const identity: Identity = {
      ...{ subject: { kind: "user", user, fingerprint }, who: user, user, expiresAt: null },
    };
    return new Access(identity, [[...grants, ...open(publicRepositories)]], { admin });
  }

  /** A machine token: may do what both it and its owner may, and never what only an administrator may. */
  static ofMachine(
    token: { id: string; name: string; grants: Grant[]; expiresAt: number | null },
    owner: { name: string; entry: UserEntry },
    publicRepositories: Glob[],
  ): Access {
    const identity: Identity = {
      subject: { kind: "machine", user: owner.name, id: token.id },
      who: `${owner.name}'s token ${token.name}`,
      user: owner.name,
      expiresAt: token.expiresAt,
    };
    const rights = [owner.entry.grants, token.grants].map((grants) => [
      ...grants,
      ...open(publicRepositories),
    ]);
    return new Access(identity, rights);
  }

  /** Who signed in elsewhere, with what the rules that matched give. */
  static ofOidc(
    subject: Extract<Subject, { kind: "oidc" }>,
    grants: Grant[],
    expiresAt: number | null,
    publicRepositories: Glob[],
  ): Access {
    const identity: Identity = { subject, who: subject.name, user: null, expiresAt };
    return new Access(identity, [[...grants, ...open(publicRepositories)]]);
  }

  /**
   * The same caller, held to what its token carries: never an administrator's rights.
   * @param carried null for all that the caller may do
   */
  within(carried: Scopes | null): Access {
    return new Access(this.#identity, this.#rights, { byToken: true, carried });
  }

  /** Whether the caller sent a user's password with this very request. */
  get byPassword(): boolean {
    return this.subject.kind === "user" && !this.byToken;
  }

  /** Whose doing it is, in what is written of it; null for an anonymous caller. */
  get actorName(): string | null {
    return this.user ?? this.who;
  }

  /** What the caller came with, or was given its token for: see Actor in storage/audit.ts. */
  get credential(): string | null {
    const { subject } = this;
    if (subject.kind === "anonymous") return null;
    if (subject.kind === "machine") return `token ${subject.id}`;
    return subject.kind === "user" ? "password" : "oidc";
  }

  /** Whether the caller may see the catalog, or as much of it as it may pull. */
  get mayList(): boolean {
    if (this.#carried !== null) return this.#carried.catalog;
    return this.who !== null;
  }

  /** Whether the caller came with credentials: a user's, or a token, which anonymous callers get too. */
  get identified(): boolean {
    return this.who !== null || this.byToken;
  }

  /** Whether the caller has the right, by whatever token. */
  holds(action: Action, name: string): boolean {
    return this.#rights.every((grants) =>
      grants.some(
        ({ actions, repositories }) =>
          actions.includes(action) && repositories.some((glob) => glob.matches(name)),
      ),
    );
  }

  /** Whether this request may. */
  may(action: Action, name: string): boolean {
    if (!this.holds(action, name)) return false;
    if (this.#carried === null) return true;
    return this.#carried.repositories.some((scope) => scope.name === name && scope.actions.includes(action));
  }

  /** Whether the caller has all of these rights: nobody gives more than that. @param access as it is stored */
  covers(access: Rights["access"]): boolean {
    const grants = access.map(parseGrant).filter((grant) => grant !== null);
    return this.#rights.every((own) => coversGrants(own, grants));
  }

  /** Whether the caller may pull from every repository: then a list need not be looked through. */
  get pullsEverything(): boolean {
    return this.#rights.every((grants) =>
      grants.some(
        ({ actions, repositories }) =>
          actions.includes("pull") && repositories.some(({ pattern }) => pattern === "**"),
      ),
    );
  }
}

/** Whoever may pull anonymously may also do it logged in. */
function open(publicRepositories: Glob[]): Grant[] {
  return [{ repositories: publicRepositories, actions: ["pull"] }];
}

/** What a caller may do: rights, and where it came with a token, the part of them that the token carries. */

import type { Glob } from "./globs.ts";
import type { Action, Grant, UserEntry } from "./user-entry.ts";

/** What a token carries for one repository. */
export interface Scope {
  name: string;
  actions: Action[];
}

export class Access {
  /** Null for an anonymous caller. */
  readonly user: string | null;
  readonly admin: boolean;
  /** The user's entry as it was when this caller was identified; null for an anonymous one. */
  readonly entry: string | null;
  readonly #grants: Grant[];
  /** Null when the caller is not held to a token's scopes. */
  readonly #scopes: Scope[] | null;

  private constructor(
    { user, admin, entry }: Pick<Access, "user" | "admin" | "entry">,
    grants: Grant[],
    scopes: Scope[] | null,
  ) {
    this.user = user;
    this.admin = admin;
    this.entry = entry;
    this.#grants = grants;
    this.#scopes = scopes;
  }

  /** A caller without credentials: may pull from public repositories. */
  static anonymous(publicRepositories: Glob[]): Access {
    const nobody = { user: null, admin: false, entry: null };
    return new Access(nobody, [{ repositories: publicRepositories, actions: ["pull"] }], null);
  }

  /** @param entry as it is stored, of which `parsed` was read */
  static of(user: string, entry: string, { grants, admin }: UserEntry, publicRepositories: Glob[]): Access {
    // Whoever may pull anonymously may also do it logged in.
    const open: Grant = { repositories: publicRepositories, actions: ["pull"] };
    return new Access({ user, admin, entry }, [...grants, open], null);
  }

  /** The same caller, held to a token's scopes. */
  within(scopes: Scope[]): Access {
    return new Access(this, this.#grants, scopes);
  }

  /** Whether the caller came with credentials: a user's, or a token, which anonymous callers get too. */
  get identified(): boolean {
    return this.user !== null || this.#scopes !== null;
  }

  /** Whether the caller has the right, by whatever token. */
  holds(action: Action, name: string): boolean {
    return this.#grants.some(
      ({ actions, repositories }) =>
        actions.includes(action) && repositories.some((glob) => glob.matches(name)),
    );
  }

  /** Whether this request may. */
  may(action: Action, name: string): boolean {
    if (!this.holds(action, name)) return false;
    if (this.#scopes === null) return true;
    return this.#scopes.some((scope) => scope.name === name && scope.actions.includes(action));
  }

  /** Whether the caller may pull from every repository: then a list need not be looked through. */
  get pullsEverything(): boolean {
    return this.#grants.some(
      ({ actions, repositories }) =>
        actions.includes("pull") && repositories.some(({ pattern }) => pattern === "**"),
    );
  }
}

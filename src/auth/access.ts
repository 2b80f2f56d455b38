/** What a caller may do: rights, and where it came with a token, the part of them that the token carries. */

import type { Glob } from "../oci/globs.ts";
import type { Action, Grant, UserEntry } from "./user-entry.ts";

/** What a token carries for one repository. */
export interface Scope {
  name: string;
  actions: Action[];
}

/** What a token carries. */
export interface Carried {
  scopes: Scope[];
  /** Whether it is good for the catalog. */
  catalog: boolean;
}

export class Access {
  /** Null for an anonymous caller. */
  readonly user: string | null;
  readonly admin: boolean;
  /** The user's entry as it was when this caller was identified; null for an anonymous one. */
  readonly entry: string | null;
  readonly #grants: Grant[];
  /** Null when the caller is not held to what a token carries. */
  readonly #carried: Carried | null;

  private constructor(
    { user, admin, entry }: Pick<Access, "user" | "admin" | "entry">,
    grants: Grant[],
    carried: Carried | null,
  ) {
    this.user = user;
    this.admin = admin;
    this.entry = entry;
    this.#grants = grants;
    this.#carried = carried;
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

  /** The same caller, held to what a token carries: never an administrator's rights. */
  within(carried: Carried): Access {
    return new Access({ user: this.user, admin: false, entry: this.entry }, this.#grants, carried);
  }

  /** Whether the caller came with a token. */
  get byToken(): boolean {
    return this.#carried !== null;
  }

  /** Whether the caller may see the catalog, or as much of it as it may pull. */
  get mayList(): boolean {
    return this.#carried === null ? this.user !== null : this.#carried.catalog;
  }

  /** Whether the caller came with credentials: a user's, or a token, which anonymous callers get too. */
  get identified(): boolean {
    return this.user !== null || this.#carried !== null;
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
    if (this.#carried === null) return true;
    return this.#carried.scopes.some((scope) => scope.name === name && scope.actions.includes(action));
  }

  /** Whether the caller may pull from every repository: then a list need not be looked through. */
  get pullsEverything(): boolean {
    return this.#grants.some(
      ({ actions, repositories }) =>
        actions.includes("pull") && repositories.some(({ pattern }) => pattern === "**"),
    );
  }
}

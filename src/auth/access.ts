/** What a caller may do: rights, and where it came with a token, the part of them that the token carries. */

import type { Glob } from "../oci/globs.ts";
import type { Scopes } from "./scopes.ts";
import type { Action, Grant, UserEntry } from "./user-entry.ts";

export class Access {
  /** Null for an anonymous caller. */
  readonly user: string | null;
  readonly admin: boolean;
  /** What stands for the user's entry in tokens: a change of the entry ends them. Null for an anonymous caller. */
  readonly fingerprint: string | null;
  readonly #grants: Grant[];
  /** Null when the caller is not held to what a token carries. */
  readonly #carried: Scopes | null;

  private constructor(
    { user, admin, fingerprint }: Pick<Access, "user" | "admin" | "fingerprint">,
    grants: Grant[],
    carried: Scopes | null,
  ) {
    this.user = user;
    this.admin = admin;
    this.fingerprint = fingerprint;
    this.#grants = grants;
    this.#carried = carried;
  }

  /** A caller without credentials: may pull from public repositories. */
  static anonymous(publicRepositories: Glob[]): Access {
    const nobody = { user: null, admin: false, fingerprint: null };
    return new Access(nobody, [{ repositories: publicRepositories, actions: ["pull"] }], null);
  }

  static of(user: string, entry: UserEntry, publicRepositories: Glob[]): Access {
    // Whoever may pull anonymously may also do it logged in.
    const open: Grant = { repositories: publicRepositories, actions: ["pull"] };
    const { admin, fingerprint } = entry;
    return new Access({ user, admin, fingerprint }, [...entry.grants, open], null);
  }

  /** The same caller, held to what a token carries: never an administrator's rights. */
  within(carried: Scopes): Access {
    return new Access(
      { user: this.user, admin: false, fingerprint: this.fingerprint },
      this.#grants,
      carried,
    );
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
    return this.#carried.repositories.some((scope) => scope.name === name && scope.actions.includes(action));
  }

  /** Whether the caller may pull from every repository: then a list need not be looked through. */
  get pullsEverything(): boolean {
    return this.#grants.some(
      ({ actions, repositories }) =>
        actions.includes("pull") && repositories.some(({ pattern }) => pattern === "**"),
    );
  }
}

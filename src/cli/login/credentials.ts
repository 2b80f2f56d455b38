/** What a user logs in with. */

export type Credentials =
  | { kind: "password"; user: string; password: string }
  /** What `docker login` got from a registry that hands out refresh tokens. */
  | { kind: "identity-token"; token: string };

export type Password = Extract<Credentials, { kind: "password" }>;

/** The Authorization header of a user with a password (RFC 7617). */
export function basic({ user, password }: Password): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

/** The `Authorization` header: Basic (RFC 7617) and Bearer (RFC 6750). Scheme names are case-insensitive. */

export type Presented =
  | { kind: "nothing" }
  | { kind: "password"; user: string; password: string }
  | { kind: "token"; token: string }
  | { kind: "malformed" };

/** Beyond any user name and password that could be right. */
const MAX_BASIC = 8192;

/** A token for a hundred long names has about half of it. */
const MAX_HEADER = 64 * 1024;

export function parseAuthorization(header: string | undefined): Presented {
  if (header === undefined || header.trim() === "") return { kind: "nothing" };
  if (header.length > MAX_HEADER) return { kind: "malformed" };
  const match = /^\s*([A-Za-z]+) +([^\s]+)\s*$/.exec(header);
  if (match === null) return { kind: "malformed" };
  const [, scheme = "", parameter = ""] = match;
  if (scheme.toLowerCase() === "bearer") return { kind: "token", token: parameter };
  if (scheme.toLowerCase() === "basic") return parseBasic(parameter);
  return { kind: "malformed" };
}

function parseBasic(base64: string): Presented {
  if (base64.length > MAX_BASIC) return { kind: "malformed" };
  const text = decode(base64);
  const colon = text?.indexOf(":") ?? -1;
  if (text === null || colon < 0) return { kind: "malformed" };
  const user = text.slice(0, colon);
  // podman and skopeo send "Basic Og==", a lone colon, when they have no credentials.
  if (user === "") return { kind: "nothing" };
  return { kind: "password", user, password: text.slice(colon + 1) };
}

function decode(base64: string): string | null {
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** `WWW-Authenticate`, read (RFC 9110, section 11.6.1). No I/O. */

export interface Challenge {
  /** In lower case. */
  scheme: string;
  parameters: Readonly<Record<string, string>>;
}

/** A scheme that stands at the beginning or after a comma, or a parameter, quoted or not. */
const PART =
  /(?:^|,)\s*([\w!#$%&'*+.^`|~-]+)(?=\s+[^\s=,]|\s*(?:,|$))|([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]+))/g;

/** Several challenges may stand in one header, and each scheme can have parameters. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const [, scheme, name, quoted, bare] of header.matchAll(PART)) {
    if (scheme !== undefined) {
      challenges.push({ scheme: scheme.toLowerCase(), parameters: {} });
      continue;
    }
    const current = challenges.at(-1);
    if (current !== undefined && name !== undefined) {
      current.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "";
    }
  }
  return challenges;
}

/** Patterns of repository names: `*` matches within one path segment, `**` across. */

export interface Glob {
  pattern: string;
  matches(name: string): boolean;
}

/** @returns null when no repository name could match: a typo rather than a pattern */
export function parseGlob(pattern: string): Glob | null {
  if (!/^[a-z0-9*](?:[a-z0-9._/*-]{0,253}[a-z0-9*])?$/.test(pattern) || pattern.includes("***")) return null;
  const source = pattern.replace(/\*\*|\*|[.\-/]/g, (found) => {
    if (found === "**") return ".*";
    return found === "*" ? "[^/]*" : `\\${found}`;
  });
  const expression = new RegExp(`^${source}$`);
  return { pattern, matches: (name) => expression.test(name) };
}

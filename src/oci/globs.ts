/** Patterns of repository names, where `*` matches within one path segment and `**` across, and of tags. */

import { matchesWildcards } from "./wildcards.ts";

export interface Glob {
  pattern: string;
  matches(name: string): boolean;
}

/** More is nobody's pattern. */
const MAX_WILDCARDS = 3;

/** @returns null when no repository name could match, a typo rather than a pattern, or it has too many wildcards */
export function parseGlob(pattern: string): Glob | null {
  if (!/^[a-z0-9*](?:[a-z0-9._/*-]{0,253}[a-z0-9*])?$/.test(pattern)) return null;
  return pattern.includes("//") ? null : globOf(pattern);
}

/** Whether everything that `other` matches, `glob` matches too. May say no where only a closer look would tell. */
export function globCovers(glob: Glob, other: Glob): boolean {
  if (glob.pattern === "**" || glob.pattern === other.pattern) return true;
  if (!other.pattern.includes("*")) return glob.matches(other.pattern);
  const [, folder] = /^([^*]+\/)\*\*$/.exec(glob.pattern) ?? [];
  return folder !== undefined && other.pattern.startsWith(folder);
}

/** @returns null when no tag could match, or it has too many wildcards */
export function parseTagGlob(pattern: string): Glob | null {
  return /^[a-zA-Z0-9_*][a-zA-Z0-9._*-]{0,127}$/.test(pattern) ? globOf(pattern) : null;
}

function globOf(pattern: string): Glob | null {
  if (pattern.includes("***")) return null;
  if ((pattern.match(/\*+/g)?.length ?? 0) > MAX_WILDCARDS) return null;
  return { pattern, matches: (name) => matchesWildcards(pattern, name, "/") };
}

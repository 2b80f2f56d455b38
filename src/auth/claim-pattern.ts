/**
 * Patterns of claims: `*` matches within one part, up to the next `/` or `:`, and `**` across. So
 * `repo:acme/*:ref:refs/heads/main` is the main branch of every repository of acme, and nothing else.
 */

import { matchesWildcards } from "../oci/wildcards.ts";

/** More is no claim that anybody writes a rule for. */
const MAX_LENGTH = 1024;

/** @throws nothing: a value that is too long matches no pattern */
export function matchesClaim(pattern: string, value: string): boolean {
  return value.length <= MAX_LENGTH && matchesWildcards(pattern, value, "/:");
}

/** Whether a pattern says anything: `**` and `*:*` match whatever there is. */
export function saysSomething(pattern: string): boolean {
  return /[^*:/]/.test(pattern);
}

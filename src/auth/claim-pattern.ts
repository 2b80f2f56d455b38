/**
 * Patterns of claims: `*` matches within one part, up to the next `/` or `:`, and `**` across. So
 * `repo:acme/*:ref:refs/heads/main` is the main branch of every repository of acme, and nothing else.
 */

/** More is no claim that anybody writes a rule for. */
const MAX_LENGTH = 1024;

/** @throws nothing: a value that is too long matches no pattern */
export function matchesClaim(pattern: string, value: string): boolean {
  if (value.length > MAX_LENGTH) return false;
  const tokens = pattern.match(/\*+|[^*]/gsu) ?? [];
  const characters = [...value];
  // For each beginning of the value, whether the pattern so far matches it. Never slower than one times the other.
  let reached = characters.map(() => false);
  reached.unshift(true);
  for (const token of tokens) {
    reached = token.startsWith("*")
      ? acrossWildcard(reached, characters, token.length > 1)
      : [false, ...characters.map((character, index) => reached[index] === true && character === token)];
  }
  return reached[characters.length] === true;
}

function acrossWildcard(reached: boolean[], characters: string[], acrossParts: boolean): boolean[] {
  const next = [...reached];
  for (const [index, character] of characters.entries()) {
    const stays = acrossParts || (character !== "/" && character !== ":");
    if (next[index] === true && stays) next[index + 1] = true;
  }
  return next;
}

/** Whether a pattern says anything: `**` and `*:*` match whatever there is. */
export function saysSomething(pattern: string): boolean {
  return /[^*:/]/.test(pattern);
}

/** Patterns in which `*` matches within one part, and `**` across parts. */

/**
 * Takes at most pattern times value steps, whatever the wildcards: a regular expression would try every way to divide
 * the value among them.
 * @param ends the characters that end a part
 */
export function matchesWildcards(pattern: string, value: string, ends: string): boolean {
  const literal = pattern.indexOf("*");
  if (literal === -1) return pattern === value;
  if (!value.startsWith(pattern.slice(0, literal))) return false;
  // For each beginning of the value, whether the pattern so far matches it.
  const reached = new Uint8Array(value.length + 1);
  reached[literal] = 1;
  for (const token of pattern.slice(literal).match(/\*+|[^*]/gs) ?? []) {
    if (token.startsWith("*")) stretch(reached, value, token.length > 1 ? "" : ends);
    else advance(reached, value, token);
  }
  return reached[value.length] === 1;
}

/** Any number of characters more, none of `ends`. */
function stretch(reached: Uint8Array, value: string, ends: string): void {
  for (let index = 0; index < value.length; index++)
    if (reached[index] === 1 && !ends.includes(value.charAt(index))) reached[index + 1] = 1;
}

/** This character more. */
function advance(reached: Uint8Array, value: string, character: string): void {
  for (let index = value.length; index > 0; index--)
    reached[index] = reached[index - 1] === 1 && value[index - 1] === character ? 1 : 0;
  reached[0] = 0;
}

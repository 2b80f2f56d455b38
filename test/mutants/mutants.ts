/** Small changes of a source that its tests should see: a condition that always holds, or never. Pure. */

export interface Mutant {
  line: number;
  /** What the line becomes, for people. */
  what: string;
  source: string;
}

export function mutantsOf(source: string): Mutant[] {
  return [...branches(source), ...existence(source), ...comparisons(source)].sort((a, b) => a.line - b.line);
}

function mutant(source: string, start: number, end: number, by: string): Mutant {
  const old = source.slice(start, end).replace(/\s+/g, " ");
  return {
    line: source.slice(0, start).split("\n").length,
    what: `${old.length > 90 ? `${old.slice(0, 90)}…` : old} → ${by}`,
    source: source.slice(0, start) + by + source.slice(end),
  };
}

/** `if` and `while`: taken always, and never. */
function* branches(source: string): Generator<Mutant> {
  for (const match of source.matchAll(/\b(?:if|while) \(/g)) {
    const start = match.index + match[0].length;
    const end = closing(source, start);
    const always = match[0].startsWith("if") ? ["true", "false"] : ["false"];
    for (const by of always) {
      // The condition is kept, so that its types still hold.
      yield mutant(source, start, end, `${by} ${by === "true" ? "||" : "&&"} (${source.slice(start, end)})`);
    }
  }
}

/** SQL: (NOT) EXISTS holds always. */
function* existence(source: string): Generator<Mutant> {
  for (const match of source.matchAll(/(?:NOT )?EXISTS \(/g)) {
    const end = closing(source, match.index + match[0].length);
    yield mutant(source, match.index, end + 1, "1");
  }
}

/** SQL: a comparison holds always. */
function* comparisons(source: string): Generator<Mutant> {
  for (const match of source.matchAll(
    /(?<=(?:WHERE|AND|WHEN|OR|`) )[\w.]+ (?:=|<>|<|>|>=|IS NOT|IS) (?:\?\d+|\d+|NULL|[a-z_]+\.[a-z_]+)/g,
  )) {
    yield mutant(source, match.index, match.index + match[0].length, "1");
  }
}

/** Where the bracket closes that stands open before `start`. */
function closing(source: string, start: number): number {
  let depth = 1;
  for (let at = start; at < source.length; at++) {
    if (source[at] === "(") depth++;
    if (source[at] === ")" && --depth === 0) return at;
  }
  throw new Error("a bracket stands open");
}

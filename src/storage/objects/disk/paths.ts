/**
 * Where an object's file lies, and in which order files are found: "blobs/Xyz" is `stored/blobs/_58~/_58yz`. Names hold
 * no capitals, which some file systems take for small letters, and lie in folders by their first letters, as a folder is
 * listed whole.
 */

const ROOT = "stored";

/** Ends the names of folders that stand for a first letter. */
const LETTER = "~";

/** Ends the name of the file that lists the parts of an object which consists of some. */
const PARTS = ".parts";

const UTF8 = new TextEncoder();

function encode(text: string): string {
  return text.replace(/[^a-z0-9-]/gu, (letter) =>
    Array.from(UTF8.encode(letter), (byte) => `_${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}

function decode(name: string): string {
  return name.replace(/(?:_[0-9a-f]{2})+/g, (bytes) =>
    Buffer.from(bytes.replaceAll("_", ""), "hex").toString(),
  );
}

function firstOf(name: string): string {
  return String.fromCodePoint(name.codePointAt(0) ?? 0);
}

/** The file of an object that was put as a whole. */
export function pathOf(key: string): string {
  const folders = key.split("/");
  const name = folders.pop() ?? "";
  return [ROOT, ...folders.map(encode), encode(firstOf(name)) + LETTER, encode(name)].join("/");
}

/** The file that says of which parts an object consists. */
export function partsPathOf(key: string): string {
  return pathOf(key) + PARTS;
}

/** Which keys are wanted: those that begin with `prefix`, behind `after`. */
interface Wanted {
  prefix: string;
  after: string | null;
}

/** Whether some of the keys that begin with `start` may be wanted. */
function mayHold(start: string, { prefix, after }: Wanted): boolean {
  if (!start.startsWith(prefix) && !prefix.startsWith(start)) return false;
  return after === null || after.slice(0, start.length) <= start;
}

/**
 * The keys of all objects wanted, in their order. Of folders, those are listed that may hold one.
 * @param list gives the names of what lies in a folder
 * @param area what the keys begin with: "" or a folder of keys, with its slash
 */
export async function* keysOf(
  list: (path: string) => Promise<string[]>,
  wanted: Wanted,
  area = "",
): AsyncGenerator<string> {
  const path = [ROOT, ...area.split("/").slice(0, -1).map(encode)].join("/");
  /** By their first letter: names of folders of keys, with a slash. */
  const letters = new Map<string, string[]>();
  for (const name of await list(path)) {
    const isLetter = name.endsWith(LETTER);
    const letter = isLetter ? decode(name.slice(0, -1)) : firstOf(decode(name));
    const folders = letters.get(letter) ?? [];
    letters.set(letter, isLetter ? folders : [...folders, `${decode(name)}/`]);
  }
  for (const letter of [...letters.keys()].sort()) {
    if (!mayHold(area + letter, wanted)) continue;
    const files = await list(`${path}/${encode(letter)}${LETTER}`);
    const names = files.map((name) => decode(name.endsWith(PARTS) ? name.slice(0, -PARTS.length) : name));
    for (const name of [...new Set(names), ...(letters.get(letter) ?? [])].sort()) {
      const key = area + name;
      if (name.endsWith("/")) {
        if (mayHold(key, wanted)) yield* keysOf(list, wanted, key);
      } else if (key.startsWith(wanted.prefix) && (wanted.after === null || key > wanted.after)) yield key;
    }
  }
}

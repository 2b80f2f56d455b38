/**
 * The names in a tar archive as its bytes pass by: ustar, with the long names of GNU and of pax. Contents are skipped,
 * and no more than a header, or a long name, is ever held.
 */

export type EntryKind = "file" | "directory" | "symlink" | "hardlink" | "other";

export interface TarEntry {
  /** As it stands in the archive, without a slash at its end. */
  path: string;
  kind: EntryKind;
  /** Bytes. */
  size: number;
  /** Permissions, such as 0o755. */
  mode: number;
  /** Where a link leads; null for what is none. */
  target: string | null;
}

/** What archives are made of. Bytes. */
export const BLOCK = 512;

/** What is kept of a long name, or of pax's records. Bytes. */
const MAX_NOTE = 64 * 1024;

const KINDS: Record<string, EntryKind> = {
  "0": "file",
  "": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};

/** What the bytes are that come next. */
type State =
  | { kind: "header" }
  | { kind: "content"; left: number }
  | { kind: "note"; left: number; type: string };

/** What notes before a header say of it. */
interface Notes {
  path?: string;
  target?: string;
  size?: number;
}

export class TarReader {
  #state: State = { kind: "header" };
  /** Of a header or a note, what has come so far. */
  #held = new Uint8Array(0);
  #notes: Notes = {};
  /** Whether something came that is no header: what follows cannot be told. */
  broken = false;

  /** Whether the bytes so far end within something. */
  get isMidway(): boolean {
    return this.#state.kind !== "header" || this.#held.byteLength > 0;
  }

  /** How much of a file is still to come. Bytes. */
  get contentLeft(): number {
    return this.#state.kind === "content" ? this.#state.left : 0;
  }

  /** The rest of that file is not going to be pushed. */
  skipContent(): void {
    if (this.#state.kind === "content") this.#state = { kind: "header" };
  }

  /** The entries whose headers these bytes complete. */
  push(bytes: Uint8Array): TarEntry[] {
    const entries: TarEntry[] = [];
    for (let rest = bytes; rest.byteLength > 0 && !this.broken; ) {
      const used = this.#state.kind === "content" ? this.#skip(rest) : this.#take(rest, entries);
      rest = rest.subarray(used);
    }
    return entries;
  }

  #skip(bytes: Uint8Array): number {
    const skipped = this.#state as Extract<State, { kind: "content" }>;
    const used = Math.min(skipped.left, bytes.byteLength);
    this.#state = content(skipped.left - used);
    return used;
  }

  /** @returns how many bytes were taken in */
  #take(bytes: Uint8Array, entries: TarEntry[]): number {
    const state = this.#state as Exclude<State, { kind: "content" }>;
    const wanted = state.kind === "header" ? BLOCK : state.left;
    const used = Math.min(wanted - this.#held.byteLength, bytes.byteLength);
    const held = new Uint8Array(this.#held.byteLength + used);
    held.set(this.#held);
    held.set(bytes.subarray(0, used), this.#held.byteLength);
    this.#held = held;
    if (held.byteLength < wanted) return used;
    this.#held = new Uint8Array(0);
    if (state.kind === "header") this.#readHeader(held, entries);
    else this.#readNote(held, state.type);
    return used;
  }

  #readHeader(block: Uint8Array, entries: TarEntry[]): void {
    // Two empty blocks end an archive; some have more behind each other.
    if (block.every((byte) => byte === 0)) return;
    if (!isHeader(block)) {
      this.broken = true;
      return;
    }
    const type = text(block, 156, 1);
    const size = this.#notes.size ?? number(block, 124, 12);
    const padded = Math.ceil(size / BLOCK) * BLOCK;
    if ("LKxg".includes(type) && type !== "") {
      this.#state = size > MAX_NOTE || type === "g" ? content(padded) : { kind: "note", left: padded, type };
      return;
    }
    const kind = KINDS[type] ?? "other";
    entries.push({
      path: pathOf(this.#notes.path ?? nameOf(block)),
      kind,
      size: kind === "file" ? size : 0,
      mode: number(block, 100, 8),
      target:
        kind === "symlink" || kind === "hardlink" ? (this.#notes.target ?? text(block, 157, 100)) : null,
    });
    this.#notes = {};
    this.#state = kind === "file" || kind === "other" ? content(padded) : { kind: "header" };
  }

  #readNote(bytes: Uint8Array, type: string): void {
    this.#state = { kind: "header" };
    if (type === "L") this.#notes.path = text(bytes, 0, bytes.byteLength);
    else if (type === "K") this.#notes.target = text(bytes, 0, bytes.byteLength);
    else Object.assign(this.#notes, paxOf(text(bytes, 0, bytes.byteLength)));
  }
}

/** The path and size in a header by itself; null for what is none. */
export function readHeader(block: Uint8Array): Pick<TarEntry, "path" | "size"> | null {
  return isHeader(block) ? { path: pathOf(nameOf(block)), size: number(block, 124, 12) } : null;
}

/** As it is shown, of a name in an archive. */
export function pathOf(name: string): string {
  return name.replace(/^\.\//, "").replace(/\/+$/, "") || "/";
}

function content(left: number): State {
  return left === 0 ? { kind: "header" } : { kind: "content", left };
}

/** By its checksum, which counts itself as spaces. */
function isHeader(block: Uint8Array): boolean {
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  return sum === number(block, 148, 8);
}

function nameOf(block: Uint8Array): string {
  const name = text(block, 0, 100);
  const prefix =
    text(block, 257, 5) === "ustar" && text(block, 257, 8) !== "ustar  " ? text(block, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** Up to the first zero. */
function text(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or with its first bit set a number in base 256. */
function number(bytes: Uint8Array, at: number, length: number): number {
  const first = bytes[at] ?? 0;
  if (first < 128) return Number.parseInt(text(bytes, at, length).trim(), 8) || 0;
  const sum = bytes.subarray(at + 1, at + length).reduce((total, byte) => total * 256 + byte, 0);
  return Number.isSafeInteger(sum) ? sum : 0;
}

/** Records like "30 path=…\n". */
function paxOf(records: string): Notes {
  const notes: Notes = {};
  for (const record of records.split("\n")) {
    const [, key, value = ""] = /^\d+ ([^=]+)=(.*)$/s.exec(record) ?? [];
    if (key === "path") notes.path = value;
    if (key === "linkpath") notes.target = value;
    if (key === "size" && /^\d{1,15}$/.test(value)) notes.size = Number(value);
  }
  return notes;
}

/**
 * The door to D1. Every statement here can be repeated, so a passing fault is waited out (see retry.ts). Whoever
 * writes one that cannot must not send it through this door.
 */

import { retried } from "./retry.ts";

/** What SQLite itself refuses is refused the next time as well; the rest lies on the way to it. */
const FINAL =
  /constraint failed|over a quota|database is full|SQLITE_(?:FULL|ERROR|CONSTRAINT|MISMATCH|TOOBIG|RANGE|AUTH)|syntax error|no such (?:table|column)|too many SQL variables|D1_TYPE_ERROR|Too many API requests/i;

/** What D1 says when it holds as much as it may: SQLite's own words, or Cloudflare's, of a database or an account. */
const FULL = /SQLITE_FULL|database or disk is full|Exceeded maximum (?:DB|account storage) size/i;

/** Share of the limit from which nothing is added: the events and doomed keys that deletions write still fit behind it. */
const FULL_FROM = 0.99;

/** There is no room for another row. What was to be written is nowhere; deletions go on. */
export class DatabaseFull extends Error {
  constructor(cause?: unknown) {
    super("the database is full", { cause });
    this.name = "DatabaseFull";
  }
}

/** What is known of the database's size: the last answer said it. Bytes; null before the first. */
interface Seen {
  size: number | null;
}

export class Database {
  readonly #d1: D1Database | D1DatabaseSession;
  readonly #limit: number;
  readonly #seen: Seen = { size: null };

  /** @param limit what it holds at most. Bytes. */
  constructor(d1: D1Database | D1DatabaseSession, limit = Number.POSITIVE_INFINITY) {
    this.#d1 = d1;
    this.#limit = limit;
  }

  /** How large it was at the last answer, without pages that are free again; null before the first. Bytes. */
  get size(): number | null {
    return this.#seen.size;
  }

  /** Whether nothing may be added, as far as is known. For a push, behind its first question: it costs no other. */
  get isFull(): boolean {
    return (this.size ?? 0) >= this.#limit * FULL_FROM;
  }

  /** As {@link isFull}. @throws DatabaseFull */
  assertRoom(): void {
    if (this.isFull) throw new DatabaseFull();
  }

  /**
   * The same through the nearest replica, which may lag: what it has may be older, what it lacks may be there. Without
   * read replication that is the primary.
   */
  nearby(): Database {
    return "withSession" in this.#d1 ? new Database(this.#d1.withSession("first-unconstrained")) : this;
  }

  prepare(sql: string): Statement {
    return new Statement(this.#d1.prepare(sql), this.#seen);
  }

  /**
   * Runs statements in one transaction.
   * @returns the rows of each
   * @throws Unavailable, DatabaseFull, or what a constraint refuses
   */
  async batch<T>(statements: Statement[]): Promise<T[][]> {
    return (await this.change<T>(statements)).results;
  }

  /** As {@link batch}, for statements that find something else when they are repeated, as {@link Statement.change} is. */
  async change<T>(statements: Statement[]): Promise<{ results: T[][]; repeated: boolean }> {
    const prepared = statements.map((statement) => statement.prepared);
    const run = async (before: number) => {
      const answers = await this.#d1.batch<T>(prepared).catch(sayFull);
      note(this.#seen, answers.at(-1));
      return { results: answers.map(({ results }) => results), repeated: before > 0 };
    };
    return retried("the database", run, isPassing);
  }
}

/** @param binding the name of one that is there @param limit as the constructor has it */
export function openDatabase(env: object, binding: string, limit?: number): Database {
  return new Database((env as Record<string, D1Database>)[binding] as D1Database, limit);
}

export class Statement {
  /** As D1 knows it. */
  readonly prepared: D1PreparedStatement;
  readonly #seen: Seen;

  constructor(prepared: D1PreparedStatement, seen: Seen) {
    this.prepared = prepared;
    this.#seen = seen;
  }

  bind(...values: unknown[]): Statement {
    return new Statement(this.prepared.bind(...values), this.#seen);
  }

  /** All rows. @throws Unavailable, DatabaseFull */
  async all<T>(): Promise<T[]> {
    return (await this.change<T>()).rows;
  }

  /** The first row; null when there is none. @throws Unavailable */
  async first<T>(): Promise<T | null> {
    return (await this.all<T>())[0] ?? null;
  }

  /**
   * All rows, for a statement that finds something else when it is repeated.
   * @returns `repeated`: whether an earlier try may have done it already, with its answer lost
   * @throws Unavailable
   */
  async change<T>(): Promise<{ rows: T[]; repeated: boolean }> {
    const run = async (before: number) => {
      const answer = await this.prepared.all<T>().catch(sayFull);
      note(this.#seen, answer);
      return { rows: answer.results, repeated: before > 0 };
    };
    return retried("the database", run, isPassing);
  }
}

function note(seen: Seen, answer: { meta: { size_after?: number } } | undefined): void {
  seen.size = answer?.meta.size_after ?? seen.size;
}

/** @throws DatabaseFull in the place of D1's error, or the error itself */
function sayFull(error: unknown): never {
  throw FULL.test(String(error)) ? new DatabaseFull(error) : error;
}

function isPassing(error: unknown): boolean {
  return !FINAL.test(String(error));
}

/** Whether a foreign key or a NOT NULL refused: something that the statement relies on has gone meanwhile. */
export function isConstraintViolation(error: unknown): boolean {
  return /(FOREIGN KEY|NOT NULL) constraint failed/.test(String(error));
}

/** Whether a quota refused: there is no room for what the statement adds. */
export function isOverQuota(error: unknown): boolean {
  return /over a quota/.test(String(error));
}

/** Whether the error says that a table or column is not there: the migrations have not been applied. */
export function isNotMigrated(error: unknown): boolean {
  return /no such (?:table|column)/.test(String(error));
}

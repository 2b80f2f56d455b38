/**
 * The door to D1. Every statement here can be repeated, so a passing fault is waited out (see retry.ts). Whoever
 * writes one that cannot must not send it through this door.
 */

import { retried } from "./retry.ts";

/** What SQLite itself refuses is refused the next time as well; the rest lies on the way to it. */
const FINAL =
  /constraint failed|over a quota|SQLITE_(?:ERROR|CONSTRAINT|MISMATCH|TOOBIG|RANGE|AUTH)|syntax error|no such (?:table|column)|too many SQL variables|D1_TYPE_ERROR|Too many API requests/i;

export class Database {
  readonly #d1: D1Database | D1DatabaseSession;

  constructor(d1: D1Database | D1DatabaseSession) {
    this.#d1 = d1;
  }

  /**
   * The same through the nearest replica, which may lag: what it has may be older, what it lacks may be there. Without
   * read replication that is the primary.
   */
  nearby(): Database {
    return "withSession" in this.#d1 ? new Database(this.#d1.withSession("first-unconstrained")) : this;
  }

  prepare(sql: string): Statement {
    return new Statement(this.#d1.prepare(sql));
  }

  /**
   * Runs statements in one transaction.
   * @returns the rows of each
   * @throws Unavailable, or what a constraint refuses
   */
  async batch<T>(statements: Statement[]): Promise<T[][]> {
    return (await this.change<T>(statements)).results;
  }

  /** As {@link batch}, for statements that find something else when they are repeated, as {@link Statement.change} is. */
  async change<T>(statements: Statement[]): Promise<{ results: T[][]; repeated: boolean }> {
    const prepared = statements.map((statement) => statement.prepared);
    const run = async (before: number) => {
      const answers = await this.#d1.batch<T>(prepared);
      return { results: answers.map(({ results }) => results), repeated: before > 0 };
    };
    return retried("the database", run, isPassing);
  }
}

export class Statement {
  /** As D1 knows it. */
  readonly prepared: D1PreparedStatement;

  constructor(prepared: D1PreparedStatement) {
    this.prepared = prepared;
  }

  bind(...values: unknown[]): Statement {
    return new Statement(this.prepared.bind(...values));
  }

  /** All rows. @throws Unavailable */
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
      const { results } = await this.prepared.all<T>();
      return { rows: results, repeated: before > 0 };
    };
    return retried("the database", run, isPassing);
  }
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

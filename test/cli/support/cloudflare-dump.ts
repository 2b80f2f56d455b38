/** How D1 gives a database away as SQL, and takes such a file: by links beside its API, and in steps. */

import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";

/** A point of the database's past. */
export const BOOKMARK = "00000000-00000000-00000000-00000000000000000000000000000000";

export class Dumps {
  readonly #origin: string;
  #uploaded = "";

  /** @param origin where the links lead */
  constructor(origin: string) {
    this.#origin = origin;
  }

  /** What a request for an export is answered: no file is made, as nobody reads more than its name. */
  export(): object {
    const result = { filename: "dump.sql", signed_url: `${this.#origin}/dump.sql` };
    return { success: true, type: "export", status: "complete", messages: [], at_bookmark: BOOKMARK, result };
  }

  /** Takes a file. @returns its ETag, which whoever has sent it compares */
  upload(text: string): string {
    this.#uploaded = text;
    return createHash("md5").update(text).digest("hex");
  }

  /** Says where to upload to; told that it is there, runs it. @throws what SQLite says */
  import(body: string, database: DatabaseSync): object {
    const { action } = JSON.parse(body) as { action: string };
    const answer = { success: true, type: "import", messages: [], at_bookmark: BOOKMARK };
    if (action === "init") return { ...answer, filename: "file.sql", upload_url: `${this.#origin}/upload` };
    database.exec(this.#uploaded);
    const meta = { duration: 0, rows_read: 0, rows_written: 0, size_after: 0 };
    return {
      ...{ ...answer, status: "complete" },
      result: { num_queries: 1, final_bookmark: BOOKMARK, meta },
    };
  }
}

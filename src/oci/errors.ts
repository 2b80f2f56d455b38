/** The specification's error codes, and the one error that the registry answers a client's mistake with. */

/**
 * Every code of the specification ("Error Codes"), with the status it has unless a thrower says otherwise. The
 * specification has none for 5XX; UNAVAILABLE is distribution's.
 */
export const ERROR_STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNAVAILABLE: 503,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** One entry of the `errors` array of a 4XX body. */
export interface ErrorEntry {
  code: ErrorCode;
  message: string;
  detail?: unknown;
}

/** What one answer lists; clients show it on a terminal. */
const MAX_ENTRIES = 100;

interface Options {
  /** What the message is about, for programs: a digest, a name. */
  detail?: unknown;
  /** Where the status differs from the code's own: 416, 413, 414. */
  status?: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 414 | 416 | 429 | 503 | 507;
  headers?: Record<string, string>;
}

/** A request that cannot be served, through the client's doing. Its message tells what to do about it. */
export class RegistryError extends Error {
  readonly entries: readonly ErrorEntry[];
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, options: Options = {}) {
    super(message);
    this.name = "RegistryError";
    this.entries = [{ code, message, ...(options.detail === undefined ? {} : { detail: options.detail }) }];
    this.status = options.status ?? ERROR_STATUS[code];
    this.headers = options.headers ?? {};
  }

  /** An error with an entry for each thing that is wrong, a hundred at most. `entries` must not be empty. */
  static of(entries: readonly ErrorEntry[]): RegistryError {
    const [first] = entries;
    if (first === undefined) throw new TypeError("a RegistryError needs an entry");
    const error = new RegistryError(first.code, first.message);
    const more = entries.length - MAX_ENTRIES;
    const rest: ErrorEntry = { code: first.code, message: `${more} more of these are not listed` };
    Object.assign(error, { entries: more > 0 ? [...entries.slice(0, MAX_ENTRIES), rest] : entries });
    return error;
  }
}

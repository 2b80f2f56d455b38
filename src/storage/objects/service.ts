/**
 * Object stores that are asked over HTTP: what their answers mean, and what is asked again. A store that refuses the
 * registry, for a wrong secret or a bucket that is not there, is as good as away: nothing is lost by it, so clients
 * try again, and administrators are told by which code of the store's.
 */

import type { XmlElement } from "@rgrove/parse-xml";
import { log } from "../../log.ts";
import { retried, Unavailable } from "../retry.ts";
import { rootOf, textAt } from "./xml.ts";

const STORE = "the object store";

/** Until an answer begins, where no body of many bytes goes along. Milliseconds. */
const PATIENCE = 30_000;

/** An answer that is no success. */
export class Refusal extends Error {
  readonly status: number;
  /** As the store names it, like "NoSuchKey". */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(`${status} ${code}: ${message}`);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
  }
}

/** No answer came. */
class NoAnswer extends Error {
  override name = "NoAnswer";
}

/** The document that a success consists of. @throws NoAnswer when it is none */
export async function documentOf(response: Response): Promise<XmlElement> {
  try {
    return rootOf(await response.text());
  } catch (error) {
    throw new NoAnswer(`the answer broke off, or is no XML: ${error}`);
  }
}

/** Beside every 5xx, 408 and 429. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const PASSING = new Set(["InternalError", "OperationAborted", "RequestTimeout", "ServerBusy", "SlowDown"]);

export interface Asked {
  url: URL;
  method: string;
  headers: Headers;
  body?: BodyInit | null;
}

/**
 * Sends one request.
 * @param patience how long the answer may take to begin. Milliseconds; null for as long as it takes
 * @returns a success @throws Refusal, NoAnswer
 */
export async function ask(
  { url, method, headers, body = null }: Asked,
  patience: number | null = PATIENCE,
): Promise<Response> {
  const answered = new AbortController();
  const timer = patience === null ? null : setTimeout(() => answered.abort(new Error("no answer")), patience);
  let response: Response;
  try {
    // Bytes are wanted as they are stored. It is not signed: proxies on the way may change it.
    headers.set("Accept-Encoding", "identity");
    response = await fetch(url, { method, headers, body, redirect: "manual", signal: answered.signal });
  } catch (error) {
    // Without the query of its URL, which may be signed.
    throw new NoAnswer(`${method} was not answered: ${String(error).replace(/\?\S*/g, "?…")}`);
  } finally {
    if (timer !== null) clearTimeout(timer);
  }
  if (response.ok) return response;
  throw await refusalOf(response);
}

/** What an answer says that is no success. Reads its body. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const header = response.headers.get("x-ms-error-code");
  const text = await response.text().catch(() => "");
  const code = header ?? textAt(text, "Code") ?? String(response.status);
  return new Refusal(response.status, code.slice(0, 100), (textAt(text, "Message") ?? "").slice(0, 500));
}

export function isPassing(error: unknown): boolean {
  if (error instanceof NoAnswer) return true;
  if (!(error instanceof Refusal)) return false;
  const { status, code } = error;
  return status >= 500 || status === 408 || status === 429 || PASSING.has(code);
}

/** Runs what can be repeated until the store answers. @throws Unavailable */
export async function again<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await retried(STORE, attempt, isPassing);
  } catch (error) {
    throw error instanceof Refusal ? unavailableFor(error) : error;
  }
}

/** Codes that the log has. */
const told = new Set<string>();

/** Forgets which. For tests. */
export function forgetRefusals(): void {
  told.clear();
}

/** The store refuses the registry: said once in each isolate's log. */
export function unavailableFor(refusal: Refusal): Unavailable {
  if (!told.has(refusal.code)) {
    told.add(refusal.code);
    log("store-refuses", { status: refusal.status, code: refusal.code, error: refusal.message }, "error");
  }
  return new Unavailable(STORE, refusal, refusal.code);
}

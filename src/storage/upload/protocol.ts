/** What the requests on an upload session say back. Errors do not cross to the Worker whole; these do. */

import type { Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";
import type { Actor } from "../audit.ts";
import type { OverQuota } from "../quota-room.ts";

/** A request body. */
export interface Chunk {
  body: ReadableStream<Uint8Array>;
  /** Its Content-Length; null when unknown. Bytes. */
  length: number | null;
  /** Its Content-Range; null without one. */
  range: ByteRange | null;
}

/** A request to close the session. */
export interface Closing {
  digest: Digest;
  /** The last bytes; null when there are none. */
  chunk: Chunk | null;
  by: Actor;
}

/** There is no such session: never, no longer, or the store has dropped its bytes. */
export interface Unknown {
  kind: "unknown";
}

/** A store could not be reached. The session stands: ask it how far it got. */
export interface NotAvailable {
  kind: "unavailable";
}

/** Why a session could not be asked. */
export type Unasked = Unknown | NotAvailable;

/** Why a body was not taken in to its end. `offset` is what is kept now. */
export type Refusal =
  /** The chunk does not begin at the session's offset. Nothing of it was kept. */
  | { kind: "out-of-order"; offset: number }
  /** The connection broke. What had arrived was kept. */
  | { kind: "interrupted"; offset: number }
  /** The body had another length than its Content-Range. What the two agree on was kept. */
  | { kind: "wrong-length"; offset: number }
  /** More than the store can hold in one object. The session is gone. */
  | { kind: "too-large" }
  /** The session is gone. */
  | OverQuota
  | Unasked;

export type StatusOutcome = { kind: "at"; offset: number } | Unasked;

export type AppendOutcome =
  | { kind: "accepted"; offset: number }
  /** All bytes are here, and the closing PUT is to be repeated. */
  | { kind: "closing" }
  | Refusal;

export type CloseOutcome =
  | { kind: "committed" }
  /** The bytes do not hash to the digest. They are gone, and so is the session, unless the body may have been cut off. */
  | { kind: "mismatch" }
  /** All bytes are here and being made another blob. The session stands. */
  | { kind: "other-digest" }
  | Refusal;

export type CancelOutcome = { kind: "cancelled" } | Unknown;

/** What requests on an upload session say, and what it says back. Errors do not cross to the Worker whole; these do. */

import type { Algorithm, Digest } from "../../oci/digest.ts";
import type { ByteRange } from "../../oci/range.ts";
import type { RepositoryName } from "../../oci/reference.ts";
import type { Actor } from "../audit.ts";
import type { OpenUpload } from "../open-uploads.ts";
import type { OverQuota } from "../quota-room.ts";

/** For the body of a request that finds no session any more. Milliseconds. */
export const DEFAULT_STALL_TIMEOUT = 30_000;

/** What a session begins with. */
export interface NewUpload {
  repository: RepositoryName;
  /** The database that it lay in: the bytes are kept there. */
  database: string;
  /** As what it is counted among its owner's; null for one that is not. */
  counted: OpenUpload | null;
  /** What the running hash computes. */
  algorithm: Algorithm;
  /** Idle time after which the session is dropped. Milliseconds. */
  expiresAfter: number;
  /** Silence after which a request body gives way to the next request. Milliseconds. */
  stallTimeout: number;
  /** What quotas left when it began: only beyond that are they asked again. Null or absent without any. Bytes. */
  room?: number | null;
}

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
  /** As Unavailable has it. */
  refusal: string | null;
}

/** The database has no room. The session stands, with all that it has: the request can be repeated. */
export interface NoRoom {
  kind: "database-full";
}

/** Why a session could not be asked. */
export type Unasked = Unknown | NotAvailable | NoRoom;

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

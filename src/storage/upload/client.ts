/** The door to upload sessions: calls of their Durable Objects, where passing faults are waited out. */

import type { RepositoryName } from "../../oci/reference.ts";
import { retried, Unavailable } from "../retry.ts";
import type {
  AppendOutcome,
  CancelOutcome,
  Chunk,
  CloseOutcome,
  Closing,
  NewUpload,
  StatusOutcome,
} from "./protocol.ts";
import type { UploadSession } from "./session.ts";

type Sessions = DurableObjectNamespace<UploadSession>;

/** A session as it is called: the platform's own types of calls cannot tell outcomes apart. */
type Session = Pick<UploadSession, "start" | "status" | "append" | "close" | "cancel">;

/** One session, by its id. All methods throw Unavailable when it cannot be reached. */
export class UploadClient {
  readonly #sessions: Sessions;
  readonly #id: string;

  constructor(sessions: Sessions, id: string) {
    this.#sessions = sessions;
    this.#id = id;
  }

  start(upload: NewUpload): Promise<void> {
    return this.#again((session) => session.start(upload));
  }

  status(repository: RepositoryName): Promise<StatusOutcome> {
    return this.#again((session) => session.status(repository));
  }

  append(repository: RepositoryName, chunk: Chunk): Promise<AppendOutcome> {
    return this.#once((session) => session.append(repository, chunk));
  }

  close(repository: RepositoryName, closing: Closing): Promise<CloseOutcome> {
    const call = (session: Session) => session.close(repository, closing);
    return closing.chunk === null ? this.#again(call) : this.#once(call);
  }

  cancel(repository: RepositoryName): Promise<CancelOutcome> {
    return this.#again(async (session, before) => {
      const outcome = await session.cancel(repository);
      // A try before has dropped it, and its answer was lost.
      return outcome.kind === "unknown" && before > 0 ? { kind: "cancelled" } : outcome;
    });
  }

  /** With a body, which is gone with the first try: only the client can send it again. */
  async #once<T>(call: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await call(this.#open());
    } catch (error) {
      if (isPassing(error)) throw new Unavailable("the upload session", error);
      throw error;
    }
  }

  /** @param call is told how many tries came before */
  #again<T>(call: (session: Session, before: number) => Promise<T>): Promise<T> {
    // A stub is broken after an exception: each try takes a new one.
    return retried("the upload session", (before) => call(this.#open(), before), isPassing);
  }

  #open(): Session {
    return this.#sessions.get(this.#sessions.idFromName(this.#id)) as unknown as Session;
  }
}

/** What Cloudflare says of an error (https://developers.cloudflare.com/durable-objects/best-practices/error-handling/). */
interface Fault {
  /** Thrown by the session's own code: a bug, which would come again. */
  remote?: boolean;
  retryable?: boolean;
  overloaded?: boolean;
  durableObjectReset?: boolean;
}

function isPassing(error: unknown): boolean {
  const { remote, retryable, overloaded, durableObjectReset } = error as Fault;
  return remote !== true || retryable === true || overloaded === true || durableObjectReset === true;
}

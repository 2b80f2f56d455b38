/** How a registry ends an upload, when it is not with success. */

import { complaint } from "../http/complaint.ts";
import type { Answer } from "../http/exchange.ts";

/** The registry said no, and will say so again; or said "later" too often. */
export class UploadRefused extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(complaint(answer));
    this.name = "UploadRefused";
    this.answer = answer;
  }
}

/** The registry no longer has the session's bytes: only a new one helps. */
export class SessionLost extends UploadRefused {
  override name = "SessionLost";
}

/** `berth user rotate-key`: another key for the tokens that the registry signs. */

import { type OutputOptions, print } from "./output.ts";
import { executeNoted } from "./user-events.ts";

/** The database makes it: on no command line, and in no file. */
const ADD =
  "INSERT INTO signing_keys (id, secret, created_at) SELECT coalesce(max(id), 0) + 1, lower(hex(randomblob(32))), unixepoch() * 1000 FROM signing_keys";

export interface Rotation extends OutputOptions {
  remote?: boolean;
  /** Whether tokens of the keys before end at once. */
  now?: boolean;
}

/** @throws Failure */
export async function rotateKey(options: Rotation): Promise<void> {
  const { remote = false, now = false } = options;
  const kept = now ? 0 : 1;
  const forget = `DELETE FROM signing_keys WHERE id < (SELECT max(id) FROM signing_keys) - ${kept}`;
  const event = { action: "rotate-key", reference: null, detail: { now } } as const;
  await executeNoted(remote, event, [ADD, forget]);
  const before = now
    ? "All that were given before have ended: clients get new ones by themselves."
    : "Those that were given before stay good until they expire, in an hour at most.";
  const said = `Tokens are signed with a new key, everywhere within a minute.\n${before}`;
  print(options, said, { rotated: true, now });
}

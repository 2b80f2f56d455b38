/** The one way in which a command ends badly: a line that says what happened and what to do. */

/** What a script can tell from the exit code. 130 is an interruption (Ctrl-C). */
export const EXIT = {
  /** The registry, or the way to it, failed or refused. Trying again may help. */
  registry: 1,
  /** Wrong arguments, or a source that cannot be pushed. Trying again will not help. */
  input: 2,
} as const;

export class Failure extends Error {
  readonly exitCode: number;

  /** @param message one line: what happened, and what to do about it */
  constructor(message: string, exitCode: number = EXIT.registry) {
    super(message);
    this.name = "Failure";
    this.exitCode = exitCode;
  }
}

/** A failure that lies in what the user gave: arguments, or an archive. */
export function badInput(message: string): Failure {
  return new Failure(message, EXIT.input);
}

/** An error's message on one line, with the cause that says more where there is one. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  // Node's error for several tried addresses has no message of its own.
  const message = error.message || code || error.name;
  // Its advice to Node's users helps nobody here: the system's certificates are trusted already.
  return message.replace(/; if the root CA.*$/s, "").replace(/\s+/g, " ");
}

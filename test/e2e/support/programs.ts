/** The project's own programs, as a user runs them, and what a client says that is refused. */

import { run } from "./command.ts";
import { PASSWORD, USER } from "./login.ts";
import { ROOT } from "./registry.ts";

/** `npm run`, with the credentials that docker would have. */
export function runAgainst(host: string, script: string, ...args: string[]): Promise<string> {
  const quoted = args.map((arg) => `'${arg}'`).join(" ");
  const program = `npm run --silent ${script} -- ${quoted} --username ${USER} --password-stdin`;
  return run("sh", ["-c", `printf %s '${PASSWORD}' | ${program} --registry http://${host}`], { cwd: ROOT });
}

/** What a client says that has to fail. */
export async function complaintOf(work: Promise<string>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: Error) => thrown,
  );
  return error?.message ?? "it went through";
}

/** Who to log in as: told by options, or known to docker. */

import process from "node:process";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { badInput } from "../failure.ts";
import type { Credentials } from "./credentials.ts";
import { readDockerCredentials } from "./docker-credentials.ts";

export interface LoginOptions {
  username?: string;
  passwordStdin?: boolean;
}

/** Adds the options that {@link readCredentials} reads. */
export function withLogin(command: Command): Command {
  return command
    .option("--username <name>", "who to log in as; wants --password-stdin")
    .option("--password-stdin", "read the password from standard input");
}

/**
 * @param host the registry's, with its port when it has one
 * @returns null when nobody has told any
 * @throws Failure
 */
export async function readCredentials(host: string, options: LoginOptions): Promise<Credentials | null> {
  const { username, passwordStdin = false } = options;
  if (username === undefined && !passwordStdin) return readDockerCredentials(host);
  if (username === undefined || !passwordStdin) {
    throw badInput("--username and --password-stdin go together.");
  }
  const password = (await text(process.stdin)).replace(/\r?\n$/, "");
  return { kind: "password", user: username, password };
}

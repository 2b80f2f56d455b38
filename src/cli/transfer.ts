/** What everything that moves images has around it: connections, progress, and what a lost connection means. */

import process from "node:process";
import { Failure } from "./failure.ts";
import { type Agents, createAgents, destroyAgents } from "./http/agents.ts";
import { ConnectionFailure } from "./http/exchange.ts";
import { createProgress, type Progress } from "./push/progress.ts";

export interface Transfer {
  agents: Agents;
  progress: Progress;
  /** A line above the progress. */
  log: (line: string) => void;
}

/**
 * Moves something, and closes what that has opened.
 * @throws Failure, when the connection is lost too: the same command goes on from there
 */
export async function transferring<T>(work: (transfer: Transfer) => Promise<T>): Promise<T> {
  const agents = createAgents();
  const progress = createProgress(process.stderr);
  try {
    return await work({ agents, progress, log: (line) => progress.log(line) });
  } catch (error) {
    if (!(error instanceof ConnectionFailure)) throw error;
    throw new Failure(`The connection failed (${error.message}). Run the same command again to go on.`);
  } finally {
    progress.stop();
    destroyAgents(agents);
  }
}

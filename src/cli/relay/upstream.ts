/** The registry behind the relay. */

import { Failure } from "../failure.ts";
import { type Agents, createAgents } from "../http/agents.ts";
import { ask, ConnectionFailure } from "../http/exchange.ts";
import { isFromRegistry } from "../http/registry-check.ts";
import { isPassing } from "../http/retry.ts";
import { parseRegistry } from "../registry-address.ts";
import { type ChunkLimits, NO_LIMITS } from "../upload/session.ts";

export interface Upstream {
  origin: URL;
  agents: Agents;
  /** What the registry said last, when an upload began. */
  limits: ChunkLimits;
  /**
   * Sessions, by their path, that take a whole body from one PUT. When that PUT comes again, it carries the whole
   * body again (containerd); to any other session a PUT without Content-Range brings the last chunk.
   */
  wholeBodies: Set<string>;
}

/** @throws Failure */
export function openUpstream(registry: string): Upstream {
  const origin = parseRegistry(registry);
  return { origin, agents: createAgents(), limits: NO_LIMITS, wholeBodies: new Set() };
}

/** The same path and query at upstream, whatever they contain. */
export function upstreamUrl(upstream: Upstream, path: string): URL {
  return new URL(upstream.origin.origin + path);
}

/** How many sessions are remembered; older ones are forgotten. */
const MAX_REMEMBERED = 1000;

export function rememberWholeBody({ wholeBodies }: Upstream, path: string): void {
  wholeBodies.add(path);
  const [oldest] = wholeBodies;
  if (wholeBodies.size > MAX_REMEMBERED && oldest !== undefined) wholeBodies.delete(oldest);
}

/** @throws Failure when no registry answers */
export async function assertRegistry({ origin, agents }: Upstream): Promise<void> {
  const url = new URL("/v2/", origin);
  const answer = await ask(agents, { method: "GET", url }).catch((error: unknown) => {
    if (!(error instanceof ConnectionFailure)) throw error;
    throw new Failure(`Cannot reach ${origin.origin} (${error.message}): check the address and the network.`);
  });
  const { status } = answer;
  if (isFromRegistry(answer) || isPassing(status)) return;
  throw new Failure(`${origin.origin} is no registry: GET /v2/ answered ${status}. Check the address.`);
}

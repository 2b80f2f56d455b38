/** Connections to registries: kept alive, through the proxy that the environment names, trusting what the system trusts. */

import http from "node:http";
import https from "node:https";
import process from "node:process";
import tls from "node:tls";

export interface Agents {
  "http:": http.Agent;
  "https:": https.Agent;
}

/** The caller destroys them when it is done. */
export function createAgents(): Agents {
  // A certificate of the company's own works with docker through the system's store.
  tls.setDefaultCACertificates([
    ...new Set([...tls.getCACertificates("default"), ...tls.getCACertificates("system")]),
  ]);
  const options = { keepAlive: true, proxyEnv: process.env };
  return { "http:": new http.Agent(options), "https:": new https.Agent(options) };
}

export function destroyAgents(agents: Agents): void {
  agents["http:"].destroy();
  agents["https:"].destroy();
}

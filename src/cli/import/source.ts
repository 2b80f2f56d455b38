/** What is imported: a registry, or what lies below a prefix there. */

import { badInput } from "../failure.ts";
import { parseRegistry } from "../registry-address.ts";

export interface ImportSource {
  /** Scheme, host and port that are asked. */
  origin: URL;
  /** Under which name docker keeps the login. */
  login: string;
  /** A repository, or what the names of several begin with; null for all there is. */
  prefix: string | null;
}

/** Docker's own registry is called by one name, answers under another, and is logged in to under a third. */
const DOCKER_HUB = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** @param text like registry.example.org/team. @throws Failure */
export function parseImportSource(text: string): ImportSource {
  const [, scheme = "", host = "", path] = /^(https?:\/\/)?([^/]+)(?:\/(.*))?$/.exec(text) ?? [];
  if (!/[.:]/.test(host) && host !== "localhost" && scheme === "") {
    throw badInput(
      `${JSON.stringify(text.slice(0, 300))} names no registry: write it like registry.example.org/team.`,
    );
  }
  if (path && /[@:]/.test(path)) {
    throw badInput("All tags of a repository are imported: name the registry, a repository, or a prefix.");
  }
  const prefix = path?.replace(/\/+$/, "") || null;
  if (DOCKER_HUB.has(host)) {
    return { origin: new URL("https://registry-1.docker.io"), login: "index.docker.io", prefix };
  }
  const origin = parseRegistry(scheme + host);
  return { origin, login: origin.host, prefix };
}

/** Whether the repository is the prefix, or lies below it. */
export function isBelow(name: string, prefix: string | null): boolean {
  return prefix === null || name === prefix || name.startsWith(`${prefix}/`);
}

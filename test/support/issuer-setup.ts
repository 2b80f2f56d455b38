/** The issuer, for tests that run inside workerd. */

import type { TestProject } from "vitest/node";
import { startIssuer } from "./issuer.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of a running issuer: see issuer.ts. */
    issuer: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const issuer = await startIssuer();
  project.provide("issuer", issuer.url);
  return () => issuer.close();
}

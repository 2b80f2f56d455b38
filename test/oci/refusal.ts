/** What a parser answers instead of a result. */

import { RegistryError } from "../../src/oci/errors.ts";

export interface Refusal {
  status: number;
  code: string | undefined;
  message: string;
  detail: unknown;
  headers: Readonly<Record<string, string>>;
}

/** The RegistryError that `work` throws. Anything else that it throws goes on; a result is an error. */
export function refusalOf(work: () => unknown): Refusal {
  let result: unknown;
  try {
    result = work();
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const { status, message, headers, entries } = error;
    return { status, code: entries[0]?.code, message, detail: entries[0]?.detail, headers };
  }
  throw new Error(`was accepted: ${JSON.stringify(result)}`);
}

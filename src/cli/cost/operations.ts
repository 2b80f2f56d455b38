/**
 * What Cloudflare counts of each thing that a registry does. Nobody has guessed these numbers: a test takes every
 * step on the real bindings and compares (test/api/cost.test.ts), so a query more in the code is a row more here.
 */

/** What is billed by its number. */
export interface Operations {
  /** Of the Worker. */
  requests: number;
  /** Of D1. */
  rowsRead: number;
  rowsWritten: number;
  /** Of R2: puts, parts, completions, lists. Deleting is free. */
  classA: number;
  /** Of R2: gets and heads. */
  classB: number;
  /** Of Durable Objects, alarms too. */
  objectRequests: number;
  /** Of Durable Objects: values and alarms. */
  objectRows: number;
  /** Of KV. */
  kvReads: number;
}

export const NOTHING: Readonly<Operations> = {
  requests: 0,
  rowsRead: 0,
  rowsWritten: 0,
  classA: 0,
  classB: 0,
  objectRequests: 0,
  objectRows: 0,
  kvReads: 0,
};

/** An upload becomes store parts of this size. Bytes. */
export const PART = 8 * 1024 * 1024;

/** What the database keeps, with indexes and the events of the push. Bytes. */
export const KEPT = { manifest: 600, blob: 820 } as const;

/**
 * By somebody with a password: a machine token takes two more reads of KV a request. What is not named is none.
 * Rows are rounded.
 */
export const STEPS = {
  /** `GET /v2/` without credentials, as every docker command begins. */
  challenge: { requests: 1 },
  /** By tag. */
  headManifest: { requests: 1, rowsRead: 3, kvReads: 1 },
  /** By digest, of one that was pulled within the day. */
  pullManifest: { requests: 1, rowsRead: 2, kvReads: 1 },
  /** Behind the first pull of the day. */
  notePull: { rowsRead: 3, rowsWritten: 3 },
  /** Through the entrypoint that the cache stands before, which is called by a request of its own. */
  pullBlob: { requests: 2, rowsRead: 3, classB: 1, kvReads: 1 },
  /** As docker does, POST, PATCH, PUT and HEAD, and the session's end, by its alarm. Up to 1 MiB. */
  pushBlob: {
    requests: 4,
    rowsRead: 26,
    rowsWritten: 15,
    classA: 1,
    objectRequests: 4,
    objectRows: 9,
    kvReads: 4,
  },
  /** The same of a part and a half. */
  pushLargeBlob: {
    requests: 4,
    rowsRead: 27,
    rowsWritten: 18,
    classA: 4,
    objectRequests: 4,
    objectRows: 20,
    kvReads: 4,
  },
  /** Each part more. */
  pushPart: { classA: 1, objectRows: 3 },
  /** A manifest with a tag of its own, in a repository that is there. */
  pushManifest: { requests: 1, rowsRead: 34, rowsWritten: 15, kvReads: 1 },
  /** Each blob that it names. */
  pushReference: { rowsRead: 8, rowsWritten: 3 },
  /** `DELETE` of a manifest, and what collections have to do until its bytes and events are gone. */
  collectManifest: { requests: 1, rowsRead: 87, rowsWritten: 22, kvReads: 1 },
  /** Each blob that goes with it. */
  collectBlob: { rowsRead: 37, rowsWritten: 16 },
  /** A collection that finds nothing. */
  collection: { rowsRead: 21, rowsWritten: 7, classA: 2, classB: 1 },
  /** Each object that a collection walks by. */
  walkObject: { rowsRead: 2 },
} as const satisfies Record<string, Partial<Operations>>;

export type Step = keyof typeof STEPS;

/** Of a step, the zeros too. */
export function operationsOf(step: Step): Operations {
  return { ...NOTHING, ...STEPS[step] };
}

/** Counts what a request costs on Cloudflare. None of it depends on the machine. */

export interface Costs {
  /** That the Worker has answered. */
  requests: number;
  /** Calls of D1: a batch is one. */
  queries: number;
  /** Statements, those in batches too. */
  statements: number;
  rowsRead: number;
  rowsWritten: number;
  /** R2 calls by method: get, put, head, delete, list, createMultipartUpload, uploadPart, complete, abort. */
  r2: Record<string, number>;
  /** Requests to Durable Objects. Alarms are counted apart. */
  durableObjects: number;
  /** Alarms of Durable Objects. */
  alarms: number;
  /** Rows that Durable Objects write: a value that is put or deleted, or an alarm that is set, is one. */
  durableRowsWritten: number;
  /** Of KV, those that its cache answers too. */
  kvReads: number;
}

export let costs: Costs = nothing();

function nothing(): Costs {
  return {
    requests: 0,
    queries: 0,
    statements: 0,
    rowsRead: 0,
    rowsWritten: 0,
    r2: {},
    durableObjects: 0,
    alarms: 0,
    durableRowsWritten: 0,
    kvReads: 0,
  };
}

/** What `work` costs. Not for concurrent use. */
export async function measure(work: () => Promise<unknown>): Promise<Costs> {
  costs = nothing();
  await work();
  return costs;
}

export function countR2(method: string): void {
  costs.r2[method] = (costs.r2[method] ?? 0) + 1;
}

export function countD1(results: D1Result[]): void {
  costs.queries++;
  for (const { meta } of results) {
    costs.statements++;
    costs.rowsRead += meta.rows_read;
    costs.rowsWritten += meta.rows_written;
  }
}

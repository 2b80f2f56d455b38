/** Wraps the real bindings so that calls are counted and can be broken. Nothing is simulated here. */

import { databasesOf } from "../../src/storage/placement.ts";
import { meteredDisk } from "./disk-calls.ts";
import { bodyThroughFaults, throughFaults } from "./faults.ts";
import { costs, countD1, countR2 } from "./meter.ts";

export function instrument(env: Env): Env {
  const databases = databasesOf(env).map((name) => [name, database(env[name as "DB"])]);
  return {
    ...env,
    ...Object.fromEntries(databases),
    BUCKET: bucket(env.BUCKET),
    DISK: meteredDisk((env as Env & { DISK: Fetcher }).DISK),
    UPLOADS: namespace(env.UPLOADS),
    USERS: users(env.USERS),
  };
}

/** The state of a Durable Object, which counts the rows that are written. */
export function instrumentState(ctx: DurableObjectState): DurableObjectState {
  const { storage } = ctx;
  const counted = override(storage, {
    kv: override(storage.kv, {
      put: (key: string, value: unknown) => {
        costs.durableRowsWritten++;
        storage.kv.put(key, value);
      },
      delete: (key: string) => {
        const there = storage.kv.delete(key);
        if (there) costs.durableRowsWritten++;
        return there;
      },
    }),
    setAlarm: (at: number) => {
      costs.durableRowsWritten++;
      return storage.setAlarm(at);
    },
    deleteAll: () => {
      costs.durableRowsWritten += [...storage.kv.list()].length;
      return storage.deleteAll();
    },
  });
  return override(ctx, { storage: counted });
}

/** A stand-in for `target` with some members replaced; the others are the target's own. */
function override<T extends object>(target: T, members: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(target, {
    get(_, key) {
      if (key in members) return members[key as keyof T];
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function users(original: KVNamespace): KVNamespace {
  return override(original, {
    get: (...args: Parameters<typeof original.get>) => {
      costs.kvReads += Array.isArray(args[0]) ? args[0].length : 1;
      return original.get(...args);
    },
  });
}

const originals = new WeakMap<D1PreparedStatement, { statement: D1PreparedStatement; sql: string }>();

function database(db: D1Database): D1Database {
  return override(db, {
    // What a replica answers is the primary's own answer here, unless it lags.
    withSession: (constraint?: D1SessionConstraint) => replica(db.withSession(constraint)),
    prepare: (query: string) => statement(db.prepare(query), evenSpace(query)),
    batch: (statements: D1PreparedStatement[]) => {
      const run = async () => {
        const results = await db.batch(statements.map((one) => originals.get(one)?.statement ?? one));
        countD1(results);
        return results;
      };
      const texts = statements.map((one) => originals.get(one)?.sql ?? "");
      return throughFaults("DB.batch", run, { statements: texts });
    },
  });
}

let lags = false;

/** Whether replicas have heard of nothing yet. */
export function setLag(lag: boolean): void {
  lags = lag;
}

function replica(session: D1DatabaseSession): D1DatabaseSession {
  return override(session, {
    prepare: (query: string) => statement(session.prepare(query), evenSpace(query), "REPLICA.query"),
  });
}

/** A statement's text, as it is compared: however its source is indented. */
export function evenSpace(sql: string): string {
  return sql.replace(/\s+/g, " ").trim();
}

function statement(original: D1PreparedStatement, sql: string, name = "DB.query"): D1PreparedStatement {
  const run = async () => {
    const result = await original.all();
    countD1([result]);
    return lags && name === "REPLICA.query" ? { ...result, results: [] } : result;
  };
  const all = () => throughFaults(name, run, { statements: [sql] });
  const wrapped = override(original, {
    bind: (...values: unknown[]) => statement(original.bind(...values), sql, name),
    all,
    run: all,
    first: async () => (await all()).results[0] ?? null,
  });
  originals.set(wrapped, { statement: original, sql });
  return wrapped;
}

function r2<A extends unknown[], R>(
  method: string,
  call: (...args: A) => Promise<R>,
): (...args: A) => Promise<R> {
  return (...args) => {
    countR2(method);
    return throughFaults(`BUCKET.${method}`, () => call(...args), { carriesBody: args.some(isBody) });
  };
}

function bucket(original: R2Bucket): R2Bucket {
  const plain = ["put", "head", "delete", "list"] as const;
  return override(original, {
    ...Object.fromEntries(
      plain.map((method) => [
        method,
        r2(method, (original[method] as () => Promise<unknown>).bind(original)),
      ]),
    ),
    get: r2("get", async (key: string, options?: R2GetOptions) => {
      const object = (await original.get(key, options)) as R2ObjectBody | null;
      return object && override(object, { body: bodyThroughFaults(object.body) });
    }),
    createMultipartUpload: r2("createMultipartUpload", async (key: string) =>
      multipart(await original.createMultipartUpload(key)),
    ),
    resumeMultipartUpload: (key: string, id: string) => multipart(original.resumeMultipartUpload(key, id)),
  });
}

function multipart(original: R2MultipartUpload): R2MultipartUpload {
  return override(original, {
    uploadPart: r2("uploadPart", (number: number, bytes: Uint8Array) => original.uploadPart(number, bytes)),
    complete: r2("complete", (parts: R2UploadedPart[]) => original.complete(parts)),
    abort: r2("abort", () => original.abort()),
  });
}

function namespace(original: Env["UPLOADS"]): Env["UPLOADS"] {
  return override(original, {
    get: (id: DurableObjectId) =>
      new Proxy(original.get(id), {
        get(target, key) {
          const value = Reflect.get(target, key);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            costs.durableObjects++;
            const call = () => Promise.resolve(Reflect.apply(value, target, args));
            return throughFaults(`UPLOADS.${String(key)}`, call, { carriesBody: args.some(isBody) });
          };
        },
      }),
  });
}

/** A body, a chunk that has one, or a closing with such a chunk. */
function isBody(value: unknown): boolean {
  if (value instanceof ReadableStream) return true;
  const { body, chunk } = (value ?? {}) as { body?: unknown; chunk?: { body: unknown } | null };
  return (body ?? chunk?.body) !== undefined;
}

/**
 * The registry, on bindings that fail: each call takes its chances. Besides, what else can happen to it happens when
 * it is asked for: an object vanishes, an upload session is reset.
 *
 *   POST /soak/faults?one-in=<n>&seed=<n>                  0 switches them off
 *   POST /soak/vanish?digest=<digest>&database=<binding>   deletes a blob's object from under its row
 *   POST /soak/reset?session=<id>                          ends a session's Durable Object in the middle of what it does
 */

import { env } from "cloudflare:workers";
import worker from "../../src/index.ts";
import { StoredObjects as RealStoredObjects } from "../../src/storage/objects/edge.ts";
import { openStores } from "../../src/storage/stores.ts";
import { UploadSession as RealUploadSession } from "../../src/storage/upload/session.ts";
import { breakAtRandom, type When } from "../support/faults.ts";
import { instrument } from "../support/instrument.ts";
import { meterStoreCalls, unseen } from "../support/store-calls.ts";
import { randomOf } from "./random.ts";

// Where the objects are behind HTTP, those calls take their chances too.
meterStoreCalls(() => env.STORE_URL);

export class UploadSession extends RealUploadSession {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, instrument(env));
  }

  reset(): void {
    this.ctx.abort("reset on purpose");
  }
}

export class StoredObjects extends RealStoredObjects {
  constructor(ctx: ExecutionContext, env: Env) {
    super(ctx, instrument(env));
  }
}

export default {
  fetch: (request, env, ctx) => {
    const url = new URL(request.url);
    if (url.pathname.startsWith("/soak/")) return command(url, env);
    return worker.fetch(request, instrument(env), ctx);
  },
} satisfies ExportedHandler<Env>;

async function command({ pathname, searchParams }: URL, env: Env): Promise<Response> {
  const parameter = (name: string) => searchParams.get(name) ?? "";
  switch (pathname) {
    case "/soak/faults":
      breakAtRandom(chances(Number(parameter("one-in")), Number(parameter("seed"))));
      return new Response("set");
    case "/soak/vanish": {
      const { db, objects } = openStores(env, parameter("database"));
      const row = await db
        .prepare("SELECT object_key FROM blobs WHERE digest = ?1")
        .bind(parameter("digest"))
        .first<{ object_key: string }>();
      if (row !== null) await unseen(() => objects.delete([row.object_key]));
      return new Response(row === null ? "no such blob" : "vanished");
    }
    case "/soak/reset": {
      const stub = env.UPLOADS.get(env.UPLOADS.idFromName(parameter("session")));
      // The call ends with what it does.
      await (stub as unknown as { reset(): Promise<void> }).reset().catch(() => {});
      return new Response("reset");
    }
    default:
      return new Response("no such command", { status: 404 });
  }
}

/** Half of what fails does so before the call is made, and half after. */
function chances(oneIn: number, seed: number): (() => When) | null {
  if (!(oneIn > 0)) return null;
  const random = randomOf(seed);
  return () => {
    if (random() * oneIn >= 1) return "never";
    return random() < 0.5 ? "before" : "after";
  };
}

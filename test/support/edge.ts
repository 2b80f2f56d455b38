/**
 * A cache before the objects, as Cloudflare has one and the simulator has none: made of the Cache API, which keeps a
 * whole answer and gives ranges of it as that does.
 */

let stand: Pick<Fetcher, "fetch"> | null = null;

/** A context whose entrypoint for objects is what stands before it by now. */
export function withEdge(ctx: ExecutionContext): ExecutionContext {
  return new Proxy(ctx, {
    get(target, key) {
      if (key !== "exports" || stand === null) return Reflect.get(target, key);
      return { ...target.exports, StoredObjects: stand };
    },
  });
}

/** Puts something else before the objects; null takes it away again. */
export function setEdge(edge: Pick<Fetcher, "fetch"> | null): void {
  stand = edge;
}

/** @returns what the cache was asked for, and whether it had it. It is another's each time. */
export async function cacheBefore(objects: Fetcher): Promise<{ path: string; hit: boolean }[]> {
  const cache = await caches.open(crypto.randomUUID());
  const asked: { path: string; hit: boolean }[] = [];
  setEdge({
    async fetch(input, init) {
      const request = new Request(input, init);
      const { pathname } = new URL(request.url);
      const hit = await cache.match(request);
      asked.push({ path: decodeURIComponent(pathname), hit: hit !== undefined });
      if (hit !== undefined) return hit;
      // It asks for the whole, whatever it is asked for.
      const whole = await objects.fetch(request.url);
      if (whole.headers.get("Cache-Control") === "no-store") return whole;
      await cache.put(request.url, whole);
      return (await cache.match(request)) as Response;
    },
  });
  return asked;
}

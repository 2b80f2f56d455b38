/** What the Worker does after its answers. */

const pending = new Set<Promise<unknown>>();

/** A context that remembers what it was told to wait for. */
export function remembering(ctx: ExecutionContext): ExecutionContext {
  return new Proxy(ctx, {
    get(target, key) {
      if (key !== "waitUntil") return Reflect.get(target, key);
      return (work: Promise<unknown>) => {
        target.waitUntil(work);
        pending.add(work);
        work.finally(() => pending.delete(work));
      };
    },
  });
}

/** Waits for all of it. Before storage is reset, or the next test sees it fail. */
export async function finishBackground(): Promise<void> {
  while (pending.size > 0) await Promise.allSettled(pending);
}

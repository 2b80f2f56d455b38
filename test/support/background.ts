/** What the Worker does after its answers. */

const pending = new Set<Promise<unknown>>();

/**
 * Until what is left is given up: once in some hundred requests workerd ends what a request has left to do over HTTP
 * without a word, so that nothing of it settles, not even a timer. Milliseconds.
 */
const PATIENCE = 20_000;

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
  while (pending.size > 0) {
    const left = [...pending];
    const settled = await Promise.race([Promise.allSettled(left), scheduler.wait(PATIENCE)]);
    if (settled === undefined) for (const work of left) pending.delete(work);
  }
}

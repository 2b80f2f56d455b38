/** What an isolate remembers between requests, and no more of it than it can hold. */

/** Puts `value` into `memory` as its newest entry. Beyond `most` entries the oldest go. */
export function remember<T>(memory: Map<string, T>, id: string, value: T, most: number): void {
  memory.delete(id);
  memory.set(id, value);
  for (const oldest of memory.keys()) {
    if (memory.size <= most) break;
    memory.delete(oldest);
  }
}

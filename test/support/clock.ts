/** The registry's clock, put forward: what waits for days has waited. Triggers of the database keep the real one. */

import { vi } from "vitest";

const real = Date.now.bind(Date);

/** From now on it is so many days later than in truth. 0 ends that. */
export function setDaysAhead(days: number): void {
  vi.spyOn(Date, "now").mockImplementation(() => real() + days * 86_400_000);
}

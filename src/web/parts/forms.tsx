/** What forms have in common. */

import type { View } from "../context.ts";

/** In every form that changes anything: see readForm in session.ts. */
export function FormToken({ view }: { view: View }) {
  return <input type="hidden" name="form" value={view.formToken} />;
}

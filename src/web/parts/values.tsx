/** Values as people read them. */

import type { View } from "../context.ts";
import { formatAge, formatBytes, formatCount, formatDays } from "../language.ts";

/** @param atLeast whether no more was counted */
export function Bytes({ view, bytes, atLeast = false }: { view: View; bytes: number; atLeast?: boolean }) {
  const text = formatBytes(bytes, view.language);
  return (
    <data value={String(bytes)} title={`${formatCount(bytes, view.language)} B`}>
      {atLeast ? view.texts.moreThan(text) : text}
    </data>
  );
}

export function Count({ view, count, atLeast = false }: { view: View; count: number; atLeast?: boolean }) {
  const text = formatCount(count, view.language);
  return <>{atLeast ? view.texts.moreThan(text) : text}</>;
}

/** @param at milliseconds since the epoch; null where it is not known */
export function Age({ view, at }: { view: View; at: number | null }) {
  if (at === null) return <span class="muted">{view.texts.unknown}</span>;
  const iso = new Date(at).toISOString();
  return (
    <time datetime={iso} title={iso}>
      {formatAge(at, view.now, view.language)}
    </time>
  );
}

/** When something was last pulled: known to the day. @param at milliseconds since the epoch; null for no pull that was noted */
export function Pulled({ view, at }: { view: View; at: number | null }) {
  if (at === null) return <span class="muted">{view.texts.noPull}</span>;
  const iso = new Date(at).toISOString();
  return <time datetime={iso}>{formatDays(at, view.now, view.language)}</time>;
}

/** How much of one is shown: docker's short form. Characters of hex. */
const SHORT = 12;

export function ShortDigest({ digest }: { digest: string }) {
  const [algorithm, hex = ""] = digest.split(":");
  return (
    <span
      class="digest short"
      title={digest}
    >{`${algorithm === "sha256" ? "" : `${algorithm}:`}${hex.slice(0, SHORT)}`}</span>
  );
}

/** How large a part of the whole something is. Nothing is said by it that does not stand beside it. */
export function Bar({ part, own = 0, whole }: { part: number; own?: number; whole: number }) {
  const share = (bytes: number) => Math.round((1000 * bytes) / Math.max(whole, 1)) / 10;
  return (
    <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <title></title>
      <rect class="back" x="0" y="0" width="100" height="6" />
      <rect x="0" y="0" width={share(part)} height="6" />
      <rect class="own" x="0" y="0" width={share(own)} height="6" />
    </svg>
  );
}

/** Rights in one line, like "pull, push: team/** app; pull: library/*". "" for none. */
export function rightsText(
  access: readonly { repositories: readonly string[]; actions: readonly string[] }[],
): string {
  return access
    .map(({ repositories, actions }) => `${actions.join(", ")}: ${repositories.join(" ")}`)
    .join("; ");
}

/** What an image says of itself, in its own words. */

import type { View } from "../context.ts";
import { Markdown } from "../markdown.tsx";

/** Nothing where it says nothing. @param texts its annotations, and its labels: names and values */
export function Readme({ view, texts }: { view: View; texts: [string, string][] }) {
  const text = readmeOf(texts);
  if (text === null) return null;
  return (
    <section>
      <h2>{view.texts.readme}</h2>
      <Markdown text={text} />
    </section>
  );
}

/** The image specification has no place for one: whatever has such a name, or the description. */
function readmeOf(texts: [string, string][]): string | null {
  const found =
    texts.find(([key]) => /(?:^|[./-])readme$/i.test(key)) ??
    texts.find(([key]) => key === "org.opencontainers.image.description");
  return found?.[1] ?? null;
}

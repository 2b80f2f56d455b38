/** Names and what they stand for, as labels and annotations are. */

import type { Child } from "hono/jsx";
import type { View } from "../context.ts";
import { Link } from "../markdown.tsx";

export function Pairs({ view, heading, pairs }: { view: View; heading: string; pairs: [string, string][] }) {
  if (pairs.length === 0) return null;
  return (
    <section>
      <h2>{heading}</h2>
      <div class="scroll">
        <table class="stack">
          <caption class="visually-hidden">{heading}</caption>
          <thead>
            <tr>
              <th scope="col">{view.texts.name}</th>
              <th scope="col">{view.texts.value}</th>
            </tr>
          </thead>
          <tbody>
            {pairs.map(([key, value]) => (
              <tr>
                <th scope="row">{key}</th>
                <td class="wrap">
                  <Link href={value}>{value}</Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Nothing where there is nothing to say. */
export function Fact({ term, children }: { term: string; children?: Child }) {
  if (children === null || children === undefined) return null;
  return (
    <>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** What the registry has held over time: a line, and the same as a table. */

import type { UsageDay } from "../../storage/usage-days.ts";
import type { View } from "../context.ts";
import { formatBytes, formatDay } from "../language.ts";
import { Bytes, Count } from "./values.tsx";

const CHART = { width: 1000, height: 200 };

/** Nothing before there are two days: a point is no course. */
export function Growth({ view, days }: { view: View; days: UsageDay[] }) {
  const { texts } = view;
  if (days.length < 2) return null;
  return (
    <section>
      <h2>{texts.overTime}</h2>
      <Line view={view} days={days} />
      <details>
        <summary>{texts.asTable}</summary>
        <table class="stack">
          <caption class="visually-hidden">{texts.overTime}</caption>
          <thead>
            <tr>
              <th scope="col">{texts.day}</th>
              <th scope="col" class="number">
                {texts.size}
              </th>
              <th scope="col" class="number">
                {texts.places.repositories}
              </th>
              <th scope="col" class="number">
                {texts.manifests}
              </th>
              <th scope="col" class="number">
                {texts.blobs}
              </th>
            </tr>
          </thead>
          <tbody>
            {days.toReversed().map(({ at, bytes, repositories, manifests, blobs }) => (
              <tr>
                <th scope="row">{formatDay(at, view.language)}</th>
                <td class="number" data-label={texts.size}>
                  <Bytes view={view} bytes={bytes} />
                </td>
                <td class="number" data-label={texts.places.repositories}>
                  <Count view={view} count={repositories} />
                </td>
                <td class="number" data-label={texts.manifests}>
                  <Count view={view} count={manifests} />
                </td>
                <td class="number" data-label={texts.blobs}>
                  <Count view={view} count={blobs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}

/** The table beneath it says the same to whoever does not see it. */
function Line({ view, days }: { view: View; days: UsageDay[] }) {
  const { width, height } = CHART;
  const [first, last] = [days[0]?.at ?? 0, days.at(-1)?.at ?? 0];
  const most = Math.max(...days.map(({ bytes }) => bytes), 1);
  const points = days.map(({ at, bytes }) => {
    const x = ((at - first) / (last - first)) * width;
    return `${round(x)},${round(height - (bytes / most) * (height - 24))}`;
  });
  return (
    <svg class="growth" viewBox={`0 0 ${width} ${height + 24}`} aria-hidden="true">
      <title>{view.texts.overTime}</title>
      <polygon points={`0,${height} ${points.join(" ")} ${width},${height}`} />
      <polyline points={points.join(" ")} />
      <text x="0" y="14">
        {formatBytes(most, view.language)}
      </text>
      <text x="0" y={height + 18}>
        {formatDay(first, view.language)}
      </text>
      <text x={width} y={height + 18} text-anchor="end">
        {formatDay(last, view.language)}
      </text>
    </svg>
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

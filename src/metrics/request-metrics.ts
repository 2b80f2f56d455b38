/** The metrics of requests, of what isolates have counted (requests.ts). */

import type { Counter } from "../storage/counters.ts";
import { type Metric, seriesName } from "./exposition.ts";
import { BUCKETS } from "./requests.ts";

const REQUESTS = "registry_http_requests_total";
const DURATION = "registry_http_request_duration_seconds";

export function requestMetrics(counters: Counter[]): Metric[] {
  const values = new Map(counters.map(({ name, value }) => [name, value]));
  return [
    {
      name: REQUESTS,
      help: "Requests, by what answered them. The last seconds are missing.",
      type: "counter",
      samples: [...values].flatMap(([name, value]) => {
        const [what, handler = "", method = "", code = ""] = name.split(" ");
        return what === "requests"
          ? [{ series: seriesName(REQUESTS, { code, handler, method }), value }]
          : [];
      }),
    },
    {
      name: DURATION,
      help: "How long requests took until their answers began.",
      type: "histogram",
      samples: [...values.keys()].flatMap((name) => {
        const [what, handler = ""] = name.split(" ");
        return what === "seconds" ? histogramOf(handler, values) : [];
      }),
    },
  ];
}

/** Prometheus wants each bucket to hold what the smaller ones hold. */
function histogramOf(handler: string, values: ReadonlyMap<string, number>): Metric["samples"] {
  let count = 0;
  const buckets = [...BUCKETS.map(String), "+Inf"].map((le) => {
    count += values.get(`durations ${handler} ${le}`) ?? 0;
    return { series: seriesName(`${DURATION}_bucket`, { handler, le }), value: count };
  });
  return [
    ...buckets,
    { series: seriesName(`${DURATION}_sum`, { handler }), value: values.get(`seconds ${handler}`) ?? 0 },
    { series: seriesName(`${DURATION}_count`, { handler }), value: count },
  ];
}

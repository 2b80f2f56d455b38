/** Prometheus' text form, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface Metric {
  name: string;
  help: string;
  type: "counter" | "gauge" | "histogram";
  samples: { series: string; value: number }[];
}

/** A sample's name with its labels in their order. Values must be plain: they are not escaped. */
export function seriesName(name: string, labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

/** A metric of one sample; of none while its value is not known. */
export function gauge(name: string, help: string, value: number | null): Metric {
  return { name, help, type: "gauge", samples: value === null ? [] : [{ series: name, value }] };
}

/** The text; metrics without a sample are left out. */
export function expose(metrics: Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, help, type, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(({ series, value }) => `${series} ${value}\n`).join("")}`,
    )
    .join("");
}

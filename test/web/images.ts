/** Images as people look at them: with a configuration that says something. */

import type { Digest } from "../../src/oci/digest.ts";
import { pushImage } from "../support/images.ts";

/** What a script in a page would do, in every form that it may take. */
export const XSS = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`;

export const CONFIG_JSON = {
  architecture: "arm64",
  os: "linux",
  created: "2026-11-01T00:00:00Z",
  config: {
    User: "app",
    Entrypoint: ["/bin/app", "--serve"],
    Cmd: ["--port", "80"],
    Env: ["PATH=/bin", "MODE=production"],
    ExposedPorts: { "80/tcp": {} },
    Labels: { "org.opencontainers.image.source": "https://example.test/app" },
  },
  history: [
    { created_by: "/bin/sh -c #(nop) ADD file:base in / " },
    { created_by: "/bin/sh -c #(nop) ENV MODE=production", empty_layer: true },
    { created_by: "/bin/sh -c apt-get install app" },
  ],
};

/** With two layers, the first of them the same in each. */
export function pushShown(
  name: string,
  tag: string,
  fields: object = {},
  config: object = CONFIG_JSON,
): Promise<Digest> {
  return pushImage(
    name,
    tag,
    JSON.stringify(config),
    ["base".repeat(500), `layer of ${tag}`.repeat(50)],
    fields,
  );
}

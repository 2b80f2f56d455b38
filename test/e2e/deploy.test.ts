/** What is deployed is what was tested. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import { attempt, run } from "./support/command.ts";
import { ROOT } from "./support/registry.ts";
import { workspace } from "./support/shared.ts";

describe("wrangler deploy", () => {
  it("bundles the Worker with all its bindings", async () => {
    const bundle = join(workspace, "bundle");
    const wrangler = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
    const output = await run(process.execPath, [wrangler, "deploy", "--dry-run", "--outdir", bundle], {
      cwd: ROOT,
      env: { WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", CI: "true" },
    });
    for (const binding of ["env.UPLOADS (UploadSession)", "env.USERS", "env.DB", "env.BUCKET"]) {
      expect(output).toContain(binding);
    }
    expect(output).not.toMatch(/warning/i);
    expect(readdirSync(bundle)).toContain("index.js");
  });

  it("takes wrangler.toml, as its own schema has it, and no setting that it does not know", async () => {
    const schema = join(ROOT, "node_modules/wrangler/config-schema.json");
    const file = join(workspace, "wrangler.json");
    // Debian's validator: npm's would be another dependency.
    const faultsOf = async (configuration: object) => {
      writeFileSync(file, JSON.stringify(configuration));
      return (await attempt("/usr/bin/python3", ["-m", "jsonschema", "--instance", file, schema])).stderr;
    };
    const configuration = parse(readFileSync(join(ROOT, "wrangler.toml"), "utf8"));
    expect(await faultsOf(configuration)).toBe("");
    expect(await faultsOf({ ...configuration, d1_database: [] })).toContain("'d1_database' was unexpected");
  });
});

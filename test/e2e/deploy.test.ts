/** What is deployed is what was tested. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { run } from "./support/command.ts";
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
});

import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach } from "vitest";
import { healAll } from "./support/faults.ts";
import { setVariables } from "./support/settings.ts";

beforeEach(async () => {
  healAll();
  setVariables();
  await reset();
  await applyD1Migrations(env.DB, env.MIGRATIONS);
});

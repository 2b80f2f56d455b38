import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach } from "vitest";
import { forgetDearest } from "../src/auth/dearest-hash.ts";
import { forgetFailures } from "../src/auth/login-limit.ts";
import { forgetUses } from "../src/auth/machine-access.ts";
import { forget } from "../src/auth/passwords.ts";
import { forgetKeys } from "../src/auth/tokens.ts";
import { finishBackground } from "./support/background.ts";
import { healAll } from "./support/faults.ts";
import { setVariables } from "./support/settings.ts";
import { addUser } from "./support/users.ts";

beforeEach(async () => {
  await finishBackground();
  healAll();
  setVariables();
  await reset();
  await applyD1Migrations(env.DB, env.MIGRATIONS);
  await addUser("admin");
  forget();
  forgetFailures();
  forgetDearest();
  forgetUses();
  forgetKeys();
});

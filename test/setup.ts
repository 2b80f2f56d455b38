import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach } from "vitest";
import { forgetFailures } from "../src/auth/login-limit.ts";
import { forget } from "../src/auth/passwords.ts";
import { forgetKeys } from "../src/auth/tokens.ts";
import { shortenPauses } from "../src/storage/retry.ts";
import { healAll } from "./support/faults.ts";
import { setVariables } from "./support/settings.ts";
import { addUser } from "./support/users.ts";

// As many tries as ever; only nobody waits for them.
shortenPauses(1 / 100);

beforeEach(async () => {
  healAll();
  setVariables();
  await reset();
  await applyD1Migrations(env.DB, env.MIGRATIONS);
  await addUser("admin");
  forget();
  forgetFailures();
  forgetKeys();
});

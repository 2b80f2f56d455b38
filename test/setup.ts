import { reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, inject } from "vitest";
import { forgetDearest } from "../src/auth/dearest-hash.ts";
import { forgetFailureEvents } from "../src/auth/failure-events.ts";
import { forgetFailures } from "../src/auth/login-limit.ts";
import { forgetUses } from "../src/auth/machine-access.ts";
import { forgetIdTokens } from "../src/auth/oidc-access.ts";
import { forgetIssuers } from "../src/auth/oidc-issuer.ts";
import { forget } from "../src/auth/passwords.ts";
import { forgetKeys } from "../src/auth/tokens.ts";
import { forgetCounted } from "../src/metrics/requests.ts";
import { forgetHealth } from "../src/routes/health.ts";
import { openDatabase } from "../src/storage/database.ts";
import { forgetRefusals } from "../src/storage/objects/service.ts";
import { MAIN } from "../src/storage/placement.ts";
import { shortenPauses } from "../src/storage/retry.ts";
import { acceptStores } from "../src/storage/whereabouts.ts";
import { finishBackground } from "./support/background.ts";
import { healAll } from "./support/faults.ts";
import { migrate } from "./support/schema.ts";
import { haveThreeDatabases, setBaseVariables, setVariables, withBaseVariables } from "./support/settings.ts";
import { SEVERAL, STORES } from "./support/stores.ts";
import { addUser } from "./support/users.ts";

// As many tries as ever; only nobody waits for them.
shortenPauses(1 / 100);

// What a request has left to do ends with its test: nothing runs it after the last one, and vitest would wait for ever.
afterEach(finishBackground);

async function isEmpty(): Promise<boolean> {
  const [users, objects, ...tables] = await Promise.all([
    env.USERS.list({ limit: 1 }),
    env.BUCKET.list({ limit: 1 }),
    ...[env.DB, env.MAIN_DB, env.THIRD_DB].map((db) =>
      db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'repositories'").first(),
    ),
  ]);
  return tables.every((table) => table === null) && users.keys.length === 0 && objects.objects.length === 0;
}

beforeEach(async () => {
  healAll();
  setVariables();
  setBaseVariables(await STORES[inject("store") ?? "r2"]());
  // Now and then it leaves something as it is.
  do await reset();
  while (!(await isEmpty()));
  await migrate(env.DB);
  await acceptStores(withBaseVariables(env), [openDatabase(env, MAIN)]);
  if (SEVERAL) await haveThreeDatabases();
  await addUser("admin");
  forget();
  forgetFailures();
  forgetFailureEvents();
  forgetDearest();
  forgetUses();
  forgetIdTokens();
  forgetIssuers();
  forgetKeys();
  forgetCounted();
  forgetHealth();
  forgetRefusals();
});

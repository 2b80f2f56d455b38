/** Berth's own extension: what is said about tags. Admins only. */

import { Hono } from "hono";
import { RegistryError } from "../oci/errors.ts";
import { parseRule } from "../oci/policies.ts";
import { deletePolicyEverywhere, putPolicyEverywhere } from "../storage/across/rules.ts";
import { listPolicies } from "../storage/policies.ts";
import { mainStores } from "../storage/stores.ts";
import { isLabel, LABEL_FORM, malformed, parseObject, smallBody } from "./admin-request.ts";
import { requireAdmin } from "./authorize.ts";
import { actorOf, type RegistryEnv } from "./context.ts";

const EXAMPLE = '{"kind": "immutable", "repositories": ["team/**"], "tags": ["v*"], "except": ["v*-dev"]}';

export const policies = new Hono<RegistryEnv>();

policies.use("/v2/_berth/policies/*", async (c, next) => {
  requireAdmin(c);
  await next();
});

// GET /v2/_berth/policies
policies.get("/v2/_berth/policies", async (c) =>
  c.json({ policies: await listPolicies(mainStores(c.env).db) }),
);

// PUT /v2/_berth/policies/<name>
policies.put("/v2/_berth/policies/:policy", smallBody, async (c) => {
  const name = c.req.param("policy");
  if (!isLabel(name)) throw malformed(`a policy's name must have ${LABEL_FORM}`);
  const rule = parseRule(parseObject(await c.req.text(), EXAMPLE));
  if (typeof rule === "string") throw malformed(rule);
  if (!(await putPolicyEverywhere(c.env, { name, rule }, actorOf(c), Date.now()))) {
    throw new RegistryError("DENIED", "there are 100 policies: remove one first, or put more into one", {
      status: 409,
    });
  }
  return c.json({ name, rule });
});

// DELETE /v2/_berth/policies/<name>
policies.delete("/v2/_berth/policies/:policy", async (c) => {
  const name = c.req.param("policy");
  if (!isLabel(name) || !(await deletePolicyEverywhere(c.env, name, actorOf(c), Date.now()))) {
    throw new RegistryError("NAME_UNKNOWN", "there is no policy of this name", {
      detail: { name: name.slice(0, 200) },
    });
  }
  return c.body(null, 204);
});

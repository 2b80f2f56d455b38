/** One user: its rights, its password, its sessions, its end. Admins only. */

import { randomBytes } from "node:crypto";
import { Hono } from "hono";
import { signOutEverywhere } from "../../auth/session.ts";
import { isUserName } from "../../auth/user-entry.ts";
import { type Changing, changePassword, removeUser, setRights } from "../../auth/user-making.ts";
import { parseUser, type Rights } from "../../auth/user-rules.ts";
import { RegistryError } from "../../oci/errors.ts";
import { actorOf } from "../../routes/context.ts";
import { getUserEntry } from "../../storage/users.ts";
import { notThere, refuseOwn, requireAdmin, requireRights } from "../access.ts";
import type { Context, WebEnv } from "../context.ts";
import { faultOfPasswords, readRights } from "../parts/user-forms.tsx";
import { type Said, UserPage } from "../parts/user-page.tsx";
import { render } from "../render.tsx";
import { readForm } from "../session.ts";

export const user = new Hono<WebEnv>();

// GET /user/<name>
user.get("/user/:name", async (c) => {
  requireAdmin(c);
  const name = nameOf(c);
  return show(c, name, await read(c, name), {});
});

// POST /user/<name>/rights
user.post("/user/:name/rights", async (c) => {
  requireAdmin(c);
  const form = await readForm(c);
  const name = nameOf(c);
  refuseOwn(c, name);
  const rights = readRights(form, c.get("texts"));
  const entry = await read(c, name);
  if (typeof rights === "string") return show(c, name, entry, { problem: rights }, 400);
  const kept = parseUser(entry)?.rights?.access ?? [];
  requireRights(c, added(rights, kept));
  const changing = await setRights(c.env, { by: actorOf(c), name, version: form.version ?? "" }, rights);
  return show(c, name, written(changing), { done: c.get("texts").rightsSet });
});

// POST /user/<name>/password
user.post("/user/:name/password", async (c) => {
  requireAdmin(c);
  const form = await readForm(c);
  const name = nameOf(c);
  const entry = await read(c, name);
  const problem = faultOfPasswords(form, c.get("texts"));
  if (problem !== null) return show(c, name, entry, { problem }, 400);
  // Whoever knows the password may do what its user may.
  if (name !== c.get("access").user) requireRights(c, parseUser(entry)?.rights ?? EVERYTHING);
  const password = form.password || makePassword();
  const of = { by: actorOf(c), name, version: form.version ?? "" };
  const changing = await changePassword(c.env, of, password);
  const made = form.password ? null : password;
  return show(
    c,
    name,
    written(changing),
    { done: c.get("texts").passwordSet, made },
    made === null ? 200 : 201,
  );
});

// POST /user/<name>/sessions
user.post("/user/:name/sessions", async (c) => {
  requireAdmin(c);
  await readForm(c);
  const name = nameOf(c);
  const entry = await read(c, name);
  await signOutEverywhere(c.env, actorOf(c), name, Date.now());
  return show(c, name, entry, { done: c.get("texts").sessionsEnded });
});

// POST /user/<name>/remove
user.post("/user/:name/remove", async (c) => {
  requireAdmin(c);
  const { typed, version = "" } = await readForm(c);
  const name = nameOf(c);
  refuseOwn(c, name);
  if (typed?.trim() !== name)
    return show(c, name, await read(c, name), { problem: c.get("texts").typedWrong }, 400);
  written(await removeUser(c.env, { by: actorOf(c), name, version }));
  return c.redirect("/users", 303);
});

/** Of an entry that says nothing of rights. */
const EVERYTHING: Rights = {
  access: [{ repositories: ["**"], actions: ["pull", "push", "delete"] }],
  admin: true,
};

/** One that nobody can guess, in characters that need no escaping. */
export function makePassword(): string {
  return randomBytes(15).toString("base64url");
}

/** @throws RegistryError when the path names none */
function nameOf(c: Context): string {
  const name = c.req.param("name") ?? "";
  if (!isUserName(name)) throw notThere();
  return name;
}

async function read(c: Context, name: string): Promise<string> {
  const entry = await getUserEntry(c.env.USERS, name);
  if (entry === null) throw notThere();
  return entry;
}

/** What a user has from now on and had not before: what it has may stay, also where whoever saves it has less. */
function added({ access, admin }: Rights, before: Rights["access"]): Rights {
  const had = new Set(before.map((grant) => JSON.stringify(grant)));
  return { access: access.filter((grant) => !had.has(JSON.stringify(grant))), admin };
}

/** The entry as it is now; "" for one that has gone. @throws RegistryError unless it was changed */
export function written(changing: Changing): string {
  if (changing.kind === "changed") return changing.entry ?? "";
  throw new RegistryError("DENIED", UNCHANGED[changing.kind], { status: 409 });
}

const UNCHANGED: Record<Exclude<Changing["kind"], "changed">, string> = {
  stale:
    "somebody has changed this user since you loaded the page, or a moment ago: load it again, and if it is refused again, wait three minutes",
  taken: "there is a user of this name: change that one instead",
  malformed: "the entry of this user is malformed: remove the user, and add it again",
};

export function show(
  c: Context,
  name: string,
  entry: string,
  said: Said,
  status = 200,
): Response | Promise<Response> {
  const own = name === c.get("access").user;
  return render(
    c,
    name,
    (view) => <UserPage view={view} name={name} entry={entry} own={own} {...said} />,
    status,
  );
}

/** Signing in and out. */

import { Hono } from "hono";
import { beginSession, signOut, signOutEverywhere } from "../../auth/session.ts";
import { RegistryError } from "../../oci/errors.ts";
import { actorOf, callerOf } from "../../routes/context.ts";
import { requirePassword } from "../access.ts";
import type { Context, View, WebEnv } from "../context.ts";
import { FormToken } from "../parts/forms.tsx";
import { render } from "../render.tsx";
import { ensureCookie, ownPath, readForm, writeCookie } from "../session.ts";

export const signIn = new Hono<WebEnv>();

// GET /sign-in?to=<path>
signIn.get("/sign-in", (c) => show(c, { to: ownPath(c.req.query("to")), user: "", refused: null }, 200));

// POST /sign-in
signIn.post("/sign-in", async (c) => {
  const { user = "", password = "", to } = await readForm(c);
  const caller = callerOf(c);
  try {
    const { token, expiresAt } = await beginSession(caller, user, password, Date.now());
    writeCookie(c, token, expiresAt);
    return c.redirect(ownPath(to), 303);
  } catch (error) {
    if (!(error instanceof RegistryError) || (error.status !== 401 && error.status !== 429)) throw error;
    const retry = error.headers["Retry-After"];
    if (retry !== undefined) c.header("Retry-After", retry);
    const refused = error.status === 429 ? "tooManyTries" : "wrongPassword";
    return show(c, { to: ownPath(to), user: user.slice(0, 128), refused }, error.status);
  }
});

// POST /sign-out
signIn.post("/sign-out", async (c) => {
  const { everywhere } = await readForm(c);
  const now = Date.now();
  if (everywhere === undefined) await signOut(c.env, c.get("cookie"), now);
  else {
    requirePassword(c);
    await signOutEverywhere(c.env, actorOf(c), c.get("access").user ?? "", now);
  }
  // Nobody's, so that the next form finds one.
  writeCookie(c, "", 0);
  return c.redirect("/", 303);
});

interface Form {
  to: string;
  user: string;
  refused: "wrongPassword" | "tooManyTries" | null;
}

function show(c: Context, form: Form, status: number): Response | Promise<Response> {
  ensureCookie(c);
  return render(c, c.get("texts").signIn, (view) => <SignIn view={view} {...form} />, status);
}

function SignIn({ view, to, user, refused }: Form & { view: View }) {
  const { texts } = view;
  return (
    <>
      <h1>{texts.signIn}</h1>
      {refused === null ? null : (
        <p class="problem" role="alert">
          {texts[refused]}
        </p>
      )}
      <form method="post" action="/sign-in">
        <FormToken view={view} />
        <input type="hidden" name="to" value={to} />
        <label for="user">{texts.user}</label>
        <input id="user" name="user" value={user} autocomplete="username" autocapitalize="none" required />
        <label for="password">{texts.passwordOrToken}</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required />
        <p>
          <button type="submit">{texts.signIn}</button>
        </p>
      </form>
      <p>
        <a href={to}>{texts.withoutSigningIn}</a>
      </p>
    </>
  );
}

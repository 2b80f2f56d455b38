/** Signing in as a person does. */

import type { Page } from "playwright-core";
import { PASSWORD, USER } from "../../e2e/support/login.ts";

export async function signIn(page: Page, origin: string, user = USER, password = PASSWORD): Promise<void> {
  await page.goto(`${origin}/sign-in`);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password, or machine token").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** A browser without scripts: it keeps a cookie, follows no redirect by itself, and sends the forms that it is shown. */

import { exports } from "cloudflare:workers";

const ORIGIN = "https://registry.test";

export interface Page {
  status: number;
  headers: Headers;
  html: string;
}

export class Browser {
  cookie = "";
  readonly #headers: Record<string, string>;

  /** @param headers sent with every request, such as Accept-Language */
  constructor(headers: Record<string, string> = {}) {
    this.#headers = headers;
  }

  /** A browser whose user has signed in. */
  static async signedIn(user: string, password = "secret"): Promise<Browser> {
    const browser = new Browser();
    const page = await browser.signIn(user, password);
    if (page.status !== 303) throw new Error(`signing in answered ${page.status}: ${page.html}`);
    return browser;
  }

  async signIn(user: string, password: string, to = "/"): Promise<Page> {
    const form = await this.get(`/sign-in?${new URLSearchParams({ to })}`);
    return this.post("/sign-in", { ...fieldsOf(form.html), user, password });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Page> {
    return this.send("GET", path, { headers });
  }

  /** As a form of a page of ours. */
  post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Page> {
    return this.send("POST", path, {
      body: new URLSearchParams(fields).toString(),
      headers: {
        "Content-Type": "application/x-www-form-urlencoded",
        Origin: ORIGIN,
        "Sec-Fetch-Site": "same-origin",
        ...headers,
      },
    });
  }

  /** Opens a page, and sends its form to `action` with what is filled in. */
  async submit(path: string, action: string, fields: Record<string, string> = {}): Promise<Page> {
    const { html } = await this.get(path);
    return this.post(action, { ...fieldsOf(formOf(html, action)), ...fields });
  }

  async send(method: string, path: string, init: RequestInit): Promise<Page> {
    const headers = new Headers({ ...this.#headers, ...(init.headers as Record<string, string>) });
    if (this.cookie !== "") headers.set("Cookie", this.cookie);
    const response = await exports.default.fetch(
      new Request(`${ORIGIN}${path}`, { ...init, method, headers, redirect: "manual" }),
    );
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ""] = cookie.split(";", 1);
      this.cookie = pair.endsWith("=") ? "" : pair;
    }
    return { status: response.status, headers: response.headers, html: await response.text() };
  }
}

/** The form that is sent to `action`. @throws when there is none */
export function formOf(html: string, action: string): string {
  const form = [...html.matchAll(/<form\b[^>]*>.*?<\/form>/gs)].find(([text]) =>
    text.startsWith("<form") ? unescaped(/action="([^"]*)"/.exec(text)?.[1] ?? "") === action : false,
  );
  if (form === undefined) throw new Error(`no form is sent to ${action}`);
  return form[0];
}

/** Hidden fields, with their values. */
function fieldsOf(html: string): Record<string, string> {
  const inputs = html.match(/<input type="hidden"[^>]*>/g) ?? [];
  return Object.fromEntries(
    inputs.map((input) => [
      /name="([^"]*)"/.exec(input)?.[1] ?? "",
      unescaped(/value="([^"]*)"/.exec(input)?.[1] ?? ""),
    ]),
  );
}

/** What a reader sees of a page: its main part without tags, each run of spaces one. */
export function textOfPage({ html }: Pick<Page, "html">): string {
  const main = /<main[^>]*>(.*)<\/main>/s.exec(html)?.[1] ?? html;
  return unescaped(main.replace(/<[^>]*>/g, " "))
    .replace(/\s+/g, " ")
    .trim();
}

/** Where the links of a page lead. */
export function linksOf({ html }: Pick<Page, "html">): string[] {
  return [...html.matchAll(/<a [^>]*href="([^"]*)"/g)].map(([, href]) => unescaped(href ?? ""));
}

function unescaped(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}

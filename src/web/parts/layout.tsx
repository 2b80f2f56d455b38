/** What stands around every page. */

import type { Child } from "hono/jsx";
import { assetPath } from "../assets.ts";
import type { View } from "../context.ts";
import { FormToken } from "./forms.tsx";

/** What the navigation leads to, and whom. Another page is one more line. */
const PLACES = [
  { path: "/", text: "repositories", for: "all" },
  { path: "/tokens", text: "tokens", for: "users" },
  { path: "/users", text: "users", for: "admins" },
  { path: "/collection", text: "collection", for: "admins" },
  { path: "/usage", text: "usage", for: "admins" },
  { path: "/rules", text: "rules", for: "admins" },
  { path: "/audit", text: "audit", for: "admins" },
] as const;

function leads(view: View, whom: (typeof PLACES)[number]["for"]): boolean {
  return whom === "all" || (whom === "admins" ? view.admin : view.byPassword);
}

interface LayoutProps {
  view: View;
  title: string;
  children?: Child;
}

export function Layout({ view, title, children }: LayoutProps) {
  const { texts } = view;
  return (
    <html lang={view.language}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} · Berth`}</title>
        <link rel="icon" href={assetPath("icon.svg")} type="image/svg+xml" />
        <link rel="stylesheet" href={assetPath("style.css")} />
        <script src={assetPath("page.js")} defer></script>
      </head>
      <body>
        <a class="skip" href="#content">
          {texts.skip}
        </a>
        <header class="site">
          <div>
            <a class="brand" href="/">
              <img src={assetPath("icon.svg")} alt="" width="28" height="28" />
              Berth
            </a>
            <Navigation view={view} />
            <Who view={view} />
          </div>
        </header>
        <main id="content" tabindex={-1}>
          {children}
        </main>
        <footer class="site">{texts.footer(view.host)}</footer>
        <p id="said" class="visually-hidden" role="status"></p>
      </body>
    </html>
  );
}

function Navigation({ view }: { view: View }) {
  const [pathname = "/"] = view.path.split("?", 1);
  return (
    <nav aria-label={view.texts.navigation}>
      <ul>
        {PLACES.filter((place) => leads(view, place.for)).map(({ path, text }) => (
          <li>
            <a href={path} aria-current={pathname === path ? "page" : undefined}>
              {view.texts.places[text]}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Who({ view }: { view: View }) {
  if (view.who === null) {
    return (
      <div class="who">
        <a href={`/sign-in?${new URLSearchParams({ to: view.path })}`}>{view.texts.signIn}</a>
      </div>
    );
  }
  return (
    <form class="who" method="post" action="/sign-out">
      <FormToken view={view} />
      <span>{view.who}</span>
      <button type="submit" class="quiet small">
        {view.texts.signOut}
      </button>
    </form>
  );
}

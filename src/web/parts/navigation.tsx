/** Ways on and back. */

import type { Child } from "hono/jsx";
import type { View } from "../context.ts";

/** The page of a repository. */
export function repositoryPath(name: string): string {
  return `/r/${name}`;
}

/** What there is of a repository besides: each kind of page has a path of its own, as names hold slashes. */
export type Place =
  | "image"
  | "raw"
  | "compare"
  | "delete"
  | "delete-repository"
  | "retag"
  | "layer"
  | "untagged";

/** @param reference a tag or digest, where the page is of one */
export function placePath(place: Place, name: string, reference?: string): string {
  return `/${place}/${name}${reference === undefined ? "" : `/${reference}`}`;
}

/** The page of a user, or where one of its forms goes. */
export function userPath(name: string, form?: string): string {
  return `/user/${encodeURIComponent(name)}${form === undefined ? "" : `/${form}`}`;
}

/** The folders above a repository, and itself. */
export function Crumbs({ view, name, children }: { view: View; name: string; children?: Child }) {
  const parts = name.split("/").filter((part) => part !== "");
  const isFolder = name.endsWith("/") || name === "";
  const folders = isFolder ? parts : parts.slice(0, -1);
  return (
    <nav class="crumbs" aria-label={view.texts.crumbs}>
      <ul>
        <li>
          <a href="/">{view.texts.places.repositories}</a>
        </li>
        {folders.map((part, index) => (
          <li>
            <a href={folderPath(`${folders.slice(0, index + 1).join("/")}/`)}>{`${part}/`}</a>
          </li>
        ))}
        {isFolder ? null : (
          <li>
            <a href={repositoryPath(name)}>{parts.at(-1)}</a>
          </li>
        )}
        {children}
      </ul>
    </nav>
  );
}

/** @param folder with the slash at its end; "" for all */
export function folderPath(folder: string): string {
  return folder === "" ? "/" : `/?${new URLSearchParams({ path: folder })}`;
}

/** The next page of a list, and its first. @param next null where there is none */
export function Pages({ view, first, next }: { view: View; first: string | null; next: string | null }) {
  if (first === null && next === null) return null;
  return (
    <nav class="pages" aria-label={view.texts.pages}>
      <ul>
        {first === null ? null : (
          <li>
            <a href={first}>{view.texts.firstPage}</a>
          </li>
        )}
        {next === null ? null : (
          <li>
            <a href={next} rel="next">
              {view.texts.nextPage}
            </a>
          </li>
        )}
      </ul>
    </nav>
  );
}

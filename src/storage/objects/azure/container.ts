/**
 * A container of Azure Blob Storage: who asks, and how. By the account's key, which signs each request
 * (https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key), or by a shared access signature,
 * which goes along in the URL.
 */

import { createHmac } from "node:crypto";
import type { Links } from "../objects.ts";
import { ask } from "../service.ts";
import { pathOf } from "../signed-url.ts";
import { type AzureAccount, azureLinks } from "./links.ts";

export type AzureLogin = AzureAccount | { sas: string };

export interface AzureCall {
  query?: Record<string, string>;
  /** x-ms-* and conditional headers, in lower case. */
  headers?: Record<string, string>;
  body?: BodyInit;
  /** Of the body. Bytes. */
  length?: number;
  /** How long the answer may take to begin. Milliseconds; null for as long as it takes. */
  patience?: number | null;
}

const VERSION = "2021-12-02";

/** What is signed beside x-ms-*, in this order; the length comes third. */
const SIGNED_BEFORE = ["content-encoding", "content-language"] as const;
const SIGNED_AFTER = [
  "content-md5",
  "content-type",
  "date",
  "if-modified-since",
  "if-match",
  "if-none-match",
  "if-unmodified-since",
  "range",
] as const;

export class AzureContainer {
  readonly #url: string;
  readonly #login: AzureLogin;

  /** @param url with the container at its end, without a slash */
  constructor(url: string, login: AzureLogin) {
    this.#url = url;
    this.#login = login;
  }

  /** Null where a signature was given, which can sign no other. */
  get links(): Links | null {
    const login = this.#login;
    return "sas" in login ? null : azureLinks(this.#url, login);
  }

  /** Asks once. @param key null for the container @returns a success @throws Refusal */
  call(
    method: string,
    key: string | null,
    { query = {}, headers: given = {}, body, length = 0, patience }: AzureCall = {},
  ): Promise<Response> {
    const path = key === null ? "" : `/${pathOf(key)}`;
    const url = new URL(`${this.#url}${path}?${new URLSearchParams(query)}`);
    const headers = new Headers({ ...given, "x-ms-date": new Date().toUTCString(), "x-ms-version": VERSION });
    // Else it would be guessed by what the body is.
    if (body !== undefined) headers.set("content-type", "application/octet-stream");
    this.#authorize(method, url, headers, length);
    return ask({ method, url, headers, ...(body !== undefined && { body }) }, patience);
  }

  #authorize(method: string, url: URL, headers: Headers, length: number): void {
    const login = this.#login;
    if ("sas" in login) {
      for (const [name, value] of new URLSearchParams(login.sas)) url.searchParams.set(name, value);
      return;
    }
    const { account, key } = login;
    const of = (name: string) => headers.get(name) ?? "";
    const own = [...headers].filter(([name]) => name.startsWith("x-ms-")).sort(byName);
    const parameters = [...url.searchParams].sort(byName);
    const signed = [
      method,
      ...SIGNED_BEFORE.map(of),
      length === 0 ? "" : String(length),
      ...SIGNED_AFTER.map(of),
      ...own.map(([name, value]) => `${name}:${value}`),
      [`/${account}${url.pathname}`, ...parameters.map(([name, value]) => `${name}:${value}`)].join("\n"),
    ].join("\n");
    const signature = createHmac("sha256", key).update(signed).digest("base64");
    headers.set("authorization", `SharedKey ${account}:${signature}`);
  }
}

function byName([one]: [string, string], [other]: [string, string]): number {
  return one < other ? -1 : 1;
}

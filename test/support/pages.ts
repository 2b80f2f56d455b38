/** The pages of the project, and what stands in their blocks. */

import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

export const readPage = (path: string): string => readFileSync(resolve(ROOT, path), "utf8");

/** Paths from the top. */
export const PAGES: readonly string[] = [
  ...readdirSync(ROOT),
  ...readdirSync(resolve(ROOT, "docs")).map((name) => `docs/${name}`),
].filter((path) => path.endsWith(".md"));

export interface Block {
  page: string;
  /** What stands behind the fence: "sh", "toml"; empty for what is shown only. */
  language: string;
  text: string;
}

export function blocksOf(page: string): Block[] {
  return [...readPage(page).matchAll(/^```(\w*)[^\n]*\n([\s\S]*?)^```/gm)].map(
    ([, language = "", text = ""]) => ({ page, language, text }),
  );
}

/** The command lines of a block, as somebody would paste them, without comments. */
export function linesIn({ text }: Block): string[] {
  return text
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.replace(/(?:^|\s+)#.*$/, "").trim())
    .filter((line) => line !== "");
}

export function linesOf(page: string): string[] {
  return blocksOf(page)
    .filter(({ language }) => language === "sh")
    .flatMap(linesIn);
}

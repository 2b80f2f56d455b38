/** The commands in the pages: each one there is, with these options and arguments. */

import { resolve } from "node:path";
import { Command } from "commander";
import { beforeAll, describe, expect, test } from "vitest";
import { COMMANDS, loadAll } from "../../src/cli/commands.ts";
import { linesOf, PAGES, readPage as read } from "../support/pages.ts";

const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

/** Our own: whatever npx starts, and npm runs. */
const OWN = /^(?:npx |\$ )?berth (.*)$|^npm run (?:--silent )?(\S+)(?: -- (.*))?$|^npm (start)(?: -- (.*))?$/;

interface Shown {
  page: string;
  text: string;
  /** What `berth` gets of it; null for a script of another kind. */
  words: string[] | null;
}

/** Words as a shell makes them, far enough for these pages. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) => word.replaceAll(/["']/g, ""));
}

/** @returns null for what is no command of ours */
function parse(page: string, text: string): Shown | null {
  const [, berth, script, scriptArgs = "", start, startArgs = ""] = OWN.exec(text) ?? [];
  if (berth !== undefined) return { page, text, words: wordsOf(berth) };
  const name = script ?? start;
  if (name === undefined) return null;
  const isOurs = COMMANDS.some((command) => command.name === name);
  return { page, text, words: isOurs ? [name, ...wordsOf(scriptArgs || startArgs)] : null };
}

/** What stands in blocks of shell, a command each. */
function commandsIn(page: string): string[] {
  return linesOf(page)
    .flatMap((line) => line.split(/\s*(?:&&|\|\||\||;)\s*/))
    .map((text) =>
      text
        .replace(/\s*[<>]{1,2} ?\S+$/, "")
        .replace(/^(?:[A-Z_]+=\S+ )+/, "")
        .trim(),
    )
    .filter((text) => text !== "");
}

/** What stands within a line of text. */
function mentionsIn(page: string): string[] {
  const text = read(page).replaceAll(/^```[\s\S]*?^```/gm, "");
  return [...text.matchAll(/`((?:npm run|npm start|npx berth|berth) ?[^`]*)`/g)].map(([, code = ""]) =>
    code.trim(),
  );
}

function shown(find: (page: string) => string[]): Shown[] {
  return PAGES.flatMap((page) => find(page).flatMap((text) => parse(page, text) ?? []));
}

let program: Command;
beforeAll(async () => {
  program = new Command("berth");
  for (const command of await loadAll()) program.addCommand(command);
});

/** Parses as the program would, and does nothing. @returns what it complains of; null when nothing */
function complaintOf(words: string[]): string | null {
  const silence = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    if (command.commands.length === 0) command.action(() => {});
    command.commands.forEach(silence);
  };
  silence(program);
  try {
    program.parse(words, { from: "user" });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The command that the words lead to, and what is left of them. */
function find(words: string[]): [Command, string[]] {
  let [command, rest] = [program, words];
  for (let next: Command | undefined; ; rest = rest.slice(1)) {
    next = command.commands.find((each) => each.name() === rest[0]);
    if (next === undefined) return [command, rest];
    command = next;
  }
}

describe("the pages", () => {
  test("are read at all", () => {
    expect(PAGES).toContain("README.md");
    expect(PAGES).toContain("docs/users.md");
    expect(shown(commandsIn).length).toBeGreaterThan(40);
    expect(shown(mentionsIn).length).toBeGreaterThan(10);
  });

  test("name only scripts that there are", () => {
    const named = PAGES.flatMap((page) => [...read(page).matchAll(/npm run (?:--silent )?([\w:-]+)/g)]);
    expect(named.map(([, name = ""]) => name).filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  test("show commands that their programs take as they are", () => {
    const wrong = shown(commandsIn).flatMap(({ page, text, words }) => {
      const complaint = words && complaintOf(words);
      return complaint === null ? [] : [`${page}: ${text}: ${complaint}`];
    });
    expect(wrong).toEqual([]);
  });

  test("mention only commands and options that there are", () => {
    const wrong = shown(mentionsIn).flatMap(({ page, text, words }) => {
      const [command, rest] = find(words ?? []);
      if (words === null) return [];
      if (command === program && !/^$|^…/.test(rest[0] ?? "")) return [`${page}: ${text}`];
      const known = command.options.flatMap(({ short, long }) => [short, long]);
      return rest
        .filter((word) => word.startsWith("-") && word !== "--help" && !known.includes(word))
        .map((word) => `${page}: ${text}: ${word}`);
    });
    expect(wrong).toEqual([]);
  });

  test("are listed in the README, each with what it says", () => {
    const listed = [...read("README.md").matchAll(/\]\((docs\/[\w-]+\.md)\) \| \S/g)].map(([, path]) => path);
    expect(listed.sort()).toEqual(PAGES.filter((page) => page.startsWith("docs/")).sort());
  });

  test("lead only to pages and headings that there are", () => {
    const broken = PAGES.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].flatMap(
        ([link, path = "", heading]) => {
          const target = path === "" ? page : resolve("/", page, "..", path).slice(1);
          let text: string;
          try {
            text = read(target);
          } catch {
            return [`${page}: ${link}`];
          }
          const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) => {
            return title
              .toLowerCase()
              .replaceAll(/[^\w\s-]/g, "")
              .replaceAll(" ", "-");
          });
          return heading === undefined || headings.includes(heading) ? [] : [`${page}: ${link}`];
        },
      ),
    );
    expect(broken).toEqual([]);
  });
});

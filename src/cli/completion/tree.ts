/** Commands and options, as completion wants them: a place for each command, with what may follow there. */

import type { Command, Option } from "commander";

/** Something that can be typed. */
export interface Word {
  text: string;
  says: string;
}

export interface Place {
  /** The words that lead there, such as "user add"; empty for the program itself. */
  path: string;
  commands: Word[];
  options: Word[];
  /** For each option that takes one of a few values, which. */
  choices: { option: string; values: readonly string[] }[];
  /** What its first argument may be, where that is one of a few. */
  values: readonly string[];
}

export function describeTree(program: Command): Place[] {
  return placesOf(program, []);
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const options = command.createHelp().visibleOptions(command);
  const place: Place = {
    path: path.join(" "),
    commands: command.commands.map((each) => {
      return { text: each.name(), says: each.summary() || each.description() };
    }),
    options: options.flatMap((option) => {
      return spellings(option).map((text) => ({ text, says: option.description }));
    }),
    choices: options.flatMap((option) => {
      const values = option.argChoices;
      return values === undefined ? [] : spellings(option).map((text) => ({ option: text, values }));
    }),
    values: command.registeredArguments[0]?.argChoices ?? [],
  };
  return [place, ...command.commands.flatMap((each) => placesOf(each, [...path, each.name()]))];
}

function spellings({ short, long }: Option): string[] {
  return [short, long].filter((text) => text !== undefined);
}

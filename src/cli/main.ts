/** The `berth` program: its commands. */

import { Command } from "commander";
import { runProgram } from "./program.ts";
import { pushCommand } from "./push/command.ts";
import { relayCommand } from "./relay/command.ts";

await runProgram(
  new Command("berth")
    .description("Programs for a Berth registry, run on the user's machine.")
    .addCommand(relayCommand())
    .addCommand(pushCommand()),
);

/** `berth completion`: a script for the user's shell, made of the commands as they are. */

import process from "node:process";
import { Argument, Command } from "commander";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { describeTree } from "./tree.ts";
import { zshScript } from "./zsh.ts";

const HELP = `
Examples:
  $ berth completion bash > ~/.local/share/bash-completion/completions/berth
  $ berth completion zsh > "\${fpath[1]}/_berth"
  $ berth completion fish > ~/.config/fish/completions/berth.fish
`;

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** @param loadAll every command of `berth` */
export function completionCommand(loadAll: () => Promise<Command[]>): Command {
  return new Command("completion")
    .description("Prints what makes a shell complete the commands and options of berth.")
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(SCRIPTS)))
    .addHelpText("after", HELP)
    .action(async (shell: keyof typeof SCRIPTS) => {
      const program = new Command("berth");
      for (const command of await loadAll()) program.addCommand(command);
      process.stdout.write(SCRIPTS[shell](describeTree(program)));
    });
}

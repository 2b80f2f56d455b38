/** What `berth` can do: a line each. A command's module is loaded only when it is run. */

import type { Command } from "commander";

export interface Entry {
  name: string;
  /** For the list of commands. */
  summary: string;
  load(): Promise<Command>;
}

/** In the order of the list. */
export const COMMANDS: readonly Entry[] = [
  entry("start", "run the registry on this machine", async () => (await import("./start.ts")).startCommand()),
  entry("push", "push an OCI layout or a docker save archive, layers of any size", async () =>
    (await import("./push/command.ts")).pushCommand(),
  ),
  entry("relay", "let any client push layers larger than the edge lets through", async () =>
    (await import("./relay/command.ts")).relayCommand(),
  ),
  entry("import", "copy repositories from another registry", async () =>
    (await import("./import/command.ts")).importCommand(),
  ),
  entry("export", "write images to a folder, as an OCI layout", async () =>
    (await import("./export/command.ts")).exportCommand(),
  ),
  entry("user", "users, and what they may do", async () => (await import("./user.ts")).userCommand()),
  entry("token", "passwords for machines", async () => (await import("./token.ts")).tokenCommand()),
  entry("policy", "tags that do not move", async () => (await import("./policy.ts")).policyCommand()),
  entry("quota", "how much may be held", async () => (await import("./quota.ts")).quotaCommand()),
  entry("status", "how a registry stands", async () => (await import("./status.ts")).statusCommand()),
  entry("usage", "who holds what", async () => (await import("./usage.ts")).usageCommand()),
  entry("audit", "who changed what", async () => (await import("./audit.ts")).auditCommand()),
  entry("gc", "collect garbage", async () => (await import("./gc.ts")).gcCommand()),
  entry("scrub", "read everything, and heal it", async () => (await import("./scrub.ts")).scrubCommand()),
  entry("migrate-store", "copy the bytes to another store", async () =>
    (await import("./migrate-store.ts")).migrateStoreCommand(),
  ),
  entry("move-repositories", "move repositories to another database", async () =>
    (await import("./move-repositories.ts")).moveRepositoriesCommand(),
  ),
  entry("cost", "what a registry costs a month", async () => (await import("./cost.ts")).costCommand()),
  entry("deploy", "deploy to Cloudflare", async () => (await import("./deploy/command.ts")).deployCommand()),
  entry("completion", "complete commands and options in a shell", async () =>
    (await import("./completion/command.ts")).completionCommand(loadAll),
  ),
];

function entry(name: string, summary: string, load: () => Promise<Command>): Entry {
  return { name, summary, load: async () => (await load()).summary(summary) };
}

/** Every command, for what goes through the whole tree. */
export function loadAll(): Promise<Command[]> {
  return Promise.all(COMMANDS.map(({ load }) => load()));
}

/** Those that the arguments name, loaded; the others by name and summary only. */
export function loadNamed(args: readonly string[]): Promise<Command[]> {
  return Promise.all(COMMANDS.map(async (one) => (args.includes(one.name) ? one.load() : await stub(one))));
}

async function stub({ name, summary }: Entry): Promise<Command> {
  const { Command } = await import("commander");
  return new Command(name).summary(summary);
}

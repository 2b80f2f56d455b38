/** `berth export`. */

import process from "node:process";
import { Command } from "commander";
import { isDigest } from "../../oci/digest.ts";
import { RegistryError } from "../../oci/errors.ts";
import {
  parseReference,
  parseRepositoryName,
  type Reference,
  type RepositoryName,
} from "../../oci/reference.ts";
import { type AdminOptions, withRegistry } from "../admin/api.ts";
import { badInput, describe, EXIT, Failure } from "../failure.ts";
import { assertPrivate } from "../http/plain-http.ts";
import { readCredentials } from "../login/options.ts";
import { Endpoint } from "../pull/endpoint.ts";
import { listTags, openCatalog } from "../pull/reading.ts";
import { printerOf, Report } from "../pull/report.ts";
import { parseRegistry } from "../registry-address.ts";
import { transferring } from "../transfer.ts";
import { Layout } from "./layout.ts";
import { RepositoryExport } from "./repository-export.ts";

const HELP = `
DIR becomes an OCI image layout, which podman, skopeo, crane, oras and berth push
read: each image under its name and tag, with all platforms, and with signatures
and the like that refer to it. Digests stay as they are, and are compared.
Without a tag all of a repository's are taken. What is there already is not
fetched again: interrupted, the same command goes on.

Examples:
  $ berth export team/app:1 ./layout
  $ berth export team/app team/base ./layout --registry registry.example.com
  $ berth export --all ./everything
  $ berth push ./layout registry.example.org/team/app:1

Exit codes: 0 all is there, 1 something failed: run it again, 2 wrong arguments,
130 interrupted.
`;

interface Options extends AdminOptions {
  all?: boolean;
  json?: boolean;
  allowRealm?: string[];
}

interface Wanted {
  name: RepositoryName;
  /** Null for all tags. */
  reference: Reference | null;
}

export function exportCommand(): Command {
  const command = new Command("export")
    .description("Writes images to a folder, as an OCI image layout.")
    .usage("[options] <reference...> <dir>")
    .argument("<arguments...>", "what to write, as name, name:tag or name@digest, and the folder at the end")
    .option("--all", "every repository that you may pull from")
    .option("--json", "a line of JSON for each image, and one with the sums at the end");
  return withRegistry(command)
    .option("--allow-realm <host...>", "where else than at the registry the password may go for a token")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(args: string[], options: Options): Promise<void> {
  // 1. Everything that can be wrong without asking anyone.
  const wanted = args.slice(0, -1).map(parseWanted);
  const folder = args.at(-1) ?? "";
  if (wanted.length > 0 === (options.all === true)) {
    throw badInput("Say what to write, or --all; the folder comes last.");
  }
  const origin = parseRegistry(options.registry);
  assertPrivate(origin, options.insecure);
  const credentials = await readCredentials(origin.host, options);
  const layout = await Layout.open(folder);

  // 2. Repository by repository.
  const report = await transferring(async ({ agents, progress, log }) => {
    const from = new Endpoint(agents, origin, credentials, "pull", options.allowRealm ?? [], log);
    const report = new Report("written", false, printerOf(options.json ?? false, log));
    await from.any().check();
    for await (const { name, reference } of options.all ? everything(from) : wanted) {
      const registry = from.repository(name);
      const writing = new RepositoryExport(registry, layout, report, progress);
      for await (const each of reference === null ? listTags(registry) : [reference]) {
        await writeOne(writing, name, each, report);
      }
    }
    if (report.tags.failed === 0) await layout.close();
    return report;
  });
  const { copied, present, failed } = report.tags;
  if (copied + present + failed === 0) throw new Failure(`${origin.host} has no such images.`);
  console.log(options.json ? JSON.stringify(report.document) : report.summary);
  if (failed > 0) process.exitCode = EXIT.registry;
}

/** One image's failure is reported, and the others are written. */
async function writeOne(
  writing: RepositoryExport,
  repository: RepositoryName,
  reference: Reference,
  report: Report,
): Promise<void> {
  const tag = isDigest(reference) ? null : reference;
  const name = `${repository}${tag === null ? "@" : ":"}${reference}`;
  try {
    report.add({ repository, tag, error: null, ...(await writing.write(reference, name)) });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    report.add({ repository, tag, digest: null, outcome: "failed", error: describe(error) });
  }
}

async function* everything(from: Endpoint): AsyncGenerator<Wanted> {
  const names = await openCatalog(from.catalog());
  if (names === null) throw new Failure(`${from.origin.host} does not list its repositories to you: log in.`);
  for await (const name of names) yield { name: name as RepositoryName, reference: null };
}

/** @throws Failure */
function parseWanted(text: string): Wanted {
  const [, name = "", tag, digest] = /^([^:@]*)(?::([^@]*)|@(.*))?$/.exec(text) ?? [];
  const reference = digest ?? tag;
  try {
    return {
      name: parseRepositoryName(name),
      reference: reference === undefined ? null : parseReference(reference),
    };
  } catch (error) {
    if (error instanceof RegistryError)
      throw badInput(`${JSON.stringify(text.slice(0, 300))}: ${error.message}.`);
    throw error;
  }
}

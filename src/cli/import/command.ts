/** `berth import`. */

import process from "node:process";
import { Command } from "commander";
import { RegistryError } from "../../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../../oci/reference.ts";
import { type AdminOptions, withRegistry } from "../admin/api.ts";
import { Gate } from "../at-once.ts";
import { badInput, describe, EXIT, Failure } from "../failure.ts";
import { assertPrivate } from "../http/plain-http.ts";
import { readDockerCredentials } from "../login/docker-credentials.ts";
import { readCredentials } from "../login/options.ts";
import { Endpoint } from "../pull/endpoint.ts";
import { openCatalog } from "../pull/reading.ts";
import { printerOf, Report } from "../pull/report.ts";
import { SavedSessions } from "../push/saved-sessions.ts";
import { parseRegistry } from "../registry-address.ts";
import { parseSize } from "../size.ts";
import { transferring } from "../transfer.ts";
import { DEFAULT_CHUNK, DEFAULT_MAX_BODY } from "../upload/chunk-plan.ts";
import { RepositoryCopy } from "./repository-copy.ts";
import { type ImportSource, isBelow, parseImportSource } from "./source.ts";

const HELP = `
Every tag comes over, with all platforms, and signatures and the like that refer
to an image. Digests stay as they are, and are compared on the way. What is
there already is not sent again: interrupted, the same command goes on.

SOURCE is a registry, or one with a repository or the beginning of several
repositories' names. Where a registry does not list what it has, as Docker Hub
does not, name a repository, or several with --repository. The source's
credentials are those of docker login.

Examples:
  $ berth import registry.example.org --dry-run
  $ berth import registry.example.org/team --registry registry.example.com
  $ berth import docker.io/library/busybox --into mirror

Exit codes: 0 all is there, 1 something failed: run it again, 2 wrong arguments,
130 interrupted.
`;

interface Options extends AdminOptions {
  repository?: string[];
  into?: string;
  dryRun?: boolean;
  json?: boolean;
  allowRealm?: string[];
  chunk: string;
  maxBody: string;
}

const BLOBS_AT_ONCE = 4;

export function importCommand(): Command {
  const command = new Command("import")
    .description("Copies repositories from another registry, with everything that is in them.")
    .argument("<source>", "where from: registry.example.org, or with a repository or prefix")
    .option("--repository <name...>", "only these, as the source calls them")
    .option("--into <prefix>", "put them below this, as prefix/name")
    .option("--dry-run", "only say what would be copied")
    .option("--json", "a line of JSON for each tag, and one with the sums at the end");
  return withRegistry(command)
    .option("--allow-realm <host...>", "where else than at the registries passwords may go for a token")
    .option("--chunk <size>", "how large a chunk to send", DEFAULT_CHUNK)
    .option("--max-body <size>", "the largest request that the edge lets through", DEFAULT_MAX_BODY)
    .addHelpText("after", HELP)
    .action(run);
}

async function run(text: string, options: Options): Promise<void> {
  // 1. Everything that can be wrong without asking anyone.
  const source = parseImportSource(text);
  const target = parseRegistry(options.registry);
  for (const origin of [source.origin, target]) assertPrivate(origin, options.insecure);
  const limits = { chunk: parseSize(options.chunk), maxBody: parseSize(options.maxBody) };
  const into = options.into?.replace(/\/+$/, "");
  const named = options.repository?.map((name) => parseName(name));
  if (into !== undefined) parseName(into);
  const fromLogin = await readDockerCredentials(source.login);
  const toLogin = await readCredentials(target.host, options);

  // 2. The two registries.
  const report = await transferring(async ({ agents, progress, log }) => {
    const allowed = options.allowRealm ?? [];
    const from = new Endpoint(agents, source.origin, fromLogin, "pull", allowed, log);
    const to = new Endpoint(agents, target, toLogin, "pull,push", allowed, log);
    const report = new Report("sent", options.dryRun ?? false, printerOf(options.json ?? false, log));
    await from.any().check();
    await to.any().check();
    await new SavedSessions("").forgetOld(Date.now());

    // 3. Repository by repository.
    const dryRun = options.dryRun ?? false;
    const settings = { ...limits, log, dryRun, gate: new Gate(BLOBS_AT_ONCE), progress, report };
    for await (const name of named ?? repositoriesOf(source, from)) {
      const copy = nameBelow(into, name, report);
      if (copy === null) continue;
      await new RepositoryCopy(from.repository(name), to.repository(copy), settings).copyAll();
    }
    return report;
  });
  console.log(options.json ? JSON.stringify(report.document) : report.summary);
  if (report.tags.failed > 0) process.exitCode = EXIT.registry;
}

async function* repositoriesOf({ prefix }: ImportSource, from: Endpoint): AsyncGenerator<RepositoryName> {
  const names = await openCatalog(from.catalog());
  if (names === null) {
    if (prefix !== null) return yield parseName(prefix);
    throw new Failure(
      `${from.origin.host} does not list its repositories to you: name them with --repository, or log in.`,
    );
  }
  let found = false;
  for await (const name of names) {
    if (!isBelow(name, prefix)) continue;
    found = true;
    yield name as RepositoryName;
  }
  if (!found && prefix !== null) throw new Failure(`${from.origin.host} has no repository ${prefix}.`);
}

/** @returns null, and a failure in the report, for a name that Berth does not take */
function nameBelow(into: string | undefined, name: string, report: Report): RepositoryName | null {
  const repository = into === undefined ? name : `${into}/${name}`;
  try {
    return parseRepositoryName(repository);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    report.add({ repository, tag: null, digest: null, outcome: "failed", error: describe(error) });
    return null;
  }
}

/** @throws Failure */
function parseName(name: string): RepositoryName {
  try {
    return parseRepositoryName(name);
  } catch (error) {
    if (error instanceof RegistryError) throw badInput(`${JSON.stringify(name)}: ${error.message}.`);
    throw error;
  }
}

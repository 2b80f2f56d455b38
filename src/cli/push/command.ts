/** `berth push`. */

import { Command } from "commander";
import { RegistryError } from "../../oci/errors.ts";
import { parseRepositoryName, type RepositoryName } from "../../oci/reference.ts";
import { badInput } from "../failure.ts";
import { assertPrivate } from "../http/plain-http.ts";
import { UPLOAD_PAUSES } from "../http/retry.ts";
import { Authorizer } from "../login/authorizer.ts";
import { type LoginOptions, readCredentials, withLogin } from "../login/options.ts";
import { askAboutRealm } from "../login/realm.ts";
import { print } from "../output.ts";
import { formatSize, parseSize } from "../size.ts";
import { transferring } from "../transfer.ts";
import { DEFAULT_CHUNK, DEFAULT_MAX_BODY } from "../upload/chunk-plan.ts";
import { type PushSummary, pushImage } from "./push-image.ts";
import { Registry } from "./registry.ts";
import { SavedSessions } from "./saved-sessions.ts";
import { openSource, readImage } from "./source.ts";
import { parseTarget, type Target } from "./target.ts";

const HELP = `
SOURCE is an OCI layout (a folder, or a tar archive of one), what docker save
wrote, or - for such an archive on standard input; gzip and zstd are undone.
Layers go in chunks, so their size does not matter, and digests stay as they
are. Interrupted and started again, it goes on where it was.

Credentials come from docker login, or from --username and --password-stdin.

Examples:
  $ docker save app:1 | berth push - registry.example.com/team/app:1
  $ berth push app.tar registry.example.com/team/app:1
  $ berth push ./layout registry.example.com/team/app:1 --mount-from team/base

Exit codes: 0 pushed, 1 the registry or the network failed, 2 wrong arguments
or a source that cannot be pushed, 130 interrupted.
`;

interface Options extends LoginOptions {
  image?: string;
  platform?: string;
  mountFrom?: string;
  insecure?: boolean;
  allowRealm?: string;
  chunk: string;
  maxBody: string;
  json?: boolean;
}

export function pushCommand(): Command {
  const command = new Command("push")
    .summary("push an OCI layout or a docker save archive, layers of any size")
    .description("Pushes an image that lies on disk, in chunks that get through the edge.")
    .argument("<source>", "a folder, an archive, or - for standard input")
    .argument("<target>", "where to: registry/name:tag")
    .option("--image <name>", "which image, when the source holds several")
    .option("--platform <os/arch>", "only this platform of a multi-platform image")
    .option("--mount-from <name>", "a repository of the registry that may have the blobs already");
  return withLogin(command)
    .option("--allow-realm <host>", "where else than at the registry the password may go for a token")
    .option("--insecure", "speak plain HTTP to another machine, when the target begins with http://")
    .option("--chunk <size>", "how large a chunk to send", DEFAULT_CHUNK)
    .option("--max-body <size>", "the largest request that the edge lets through", DEFAULT_MAX_BODY)
    .option("--json", "print where it went, and what was sent, as JSON")
    .addHelpText("after", HELP)
    .action(run);
}

async function run(source: string, targetText: string, options: Options): Promise<void> {
  // 1. Everything that can be wrong without asking anyone.
  const target = parseTarget(targetText);
  assertPrivate(target.origin, options.insecure);
  const chunk = parseSize(options.chunk);
  const maxBody = parseSize(options.maxBody);
  const mountFrom = parseMountFrom(options.mountFrom);
  if (source === "-" && options.passwordStdin) {
    throw badInput("Standard input cannot hold both the image and the password.");
  }
  const credentials = await readCredentials(target.origin.host, options);

  // 2. The image, before the registry hears of it.
  const files = await openSource(source);
  const names = [target.tag, targetText, `${target.name}:${target.tag}`];
  const choice = { image: options.image ?? null, platform: options.platform ?? null, names };
  const image = await readImage(files, choice);

  // 3. The push.
  await transferring(async ({ agents, progress, log }) => {
    const wanted = scopes(target, mountFrom);
    const { origin } = target;
    const authorizer = new Authorizer(agents, origin, wanted, credentials, async (realm) => {
      return options.allowRealm === realm.host || askAboutRealm(origin, realm);
    });
    const registry = new Registry(target, agents, authorizer, UPLOAD_PAUSES, log);
    const sessions = new SavedSessions(`${target.origin.origin} ${target.name}`);
    await sessions.forgetOld(Date.now());
    await registry.check();
    const settings = { chunk, maxBody, mountFrom, label: files.label, log };
    const began = Date.now();
    const summary = await pushImage(registry, image, target.tag, settings, sessions, progress);
    progress.stop();
    printSummary(summary, (Date.now() - began) / 1000);
    const digest = image.manifests.at(-1)?.digest;
    print(options, `${targetText}@${digest}`, { target: targetText, digest, ...summary });
  });
}

function parseMountFrom(name: string | undefined): RepositoryName | null {
  try {
    return name === undefined ? null : parseRepositoryName(name);
  } catch (error) {
    if (error instanceof RegistryError) throw badInput(`--mount-from: ${error.message}.`);
    throw error;
  }
}

/** What a token must allow. */
function scopes({ name }: Target, mountFrom: RepositoryName | null): string[] {
  const own = `repository:${name}:pull,push`;
  return mountFrom === null ? [own] : [own, `repository:${mountFrom}:pull`];
}

function printSummary(summary: PushSummary, seconds: number): void {
  const { sent, sentBytes, resumedBytes, skipped, skippedBytes, mounted } = summary;
  const speed = formatSize(Math.round(sentBytes / Math.max(seconds, 0.001)));
  const parts = [`Sent ${count(sent)}`];
  if (sentBytes > 0) parts[0] += ` (${formatSize(sentBytes)}) in ${seconds.toFixed(1)} s, ${speed}/s`;
  if (resumedBytes > 0) parts.push(`${formatSize(resumedBytes)} were left from before`);
  if (skipped > 0) parts.push(`skipped ${count(skipped)} that were there (${formatSize(skippedBytes)})`);
  if (mounted > 0) parts.push(`mounted ${count(mounted)}`);
  console.error(`${parts.join("; ")}.`);
}

function count(blobs: number): string {
  return blobs === 1 ? "1 blob" : `${blobs} blobs`;
}

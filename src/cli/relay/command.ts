/** `berth relay`. */

import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, BlockList } from "node:net";
import process from "node:process";
import { Command } from "commander";
import { badInput, describe, Failure } from "../failure.ts";
import { assertPrivate } from "../http/plain-http.ts";
import { type OutputOptions, print, withJson } from "../output.ts";
import { onSignals } from "../signals.ts";
import { parseSize } from "../size.ts";
import { DEFAULT_CHUNK, DEFAULT_MAX_BODY } from "../upload/chunk-plan.ts";
import { createRelay } from "./server.ts";
import { assertRegistry, openUpstream } from "./upstream.ts";

const HELP = `
Layers larger than the edge in front of the registry lets through (100 MB on
Cloudflare's Free and Pro plans) go through the relay in chunks. It speaks the
registry API on this machine and passes everything else through, credentials
included; it stores nothing.

Examples:
  $ berth relay https://registry.example.com
  $ docker login 127.0.0.1:5001
  $ docker tag app 127.0.0.1:5001/team/app:1
  $ docker push 127.0.0.1:5001/team/app:1

podman and skopeo take --tls-verify=false for a registry on 127.0.0.1, and
ctr takes --plain-http.

Exit codes: 0 stopped by a signal, 1 the registry cannot be reached or the
port is taken, 2 wrong arguments.
`;

interface Options extends OutputOptions {
  listen: string;
  insecure?: boolean;
  chunk: string;
  maxBody: string;
}

export function relayCommand(): Command {
  return withJson(new Command("relay"))
    .summary("let any client push layers larger than the edge lets through")
    .description("Speaks the registry API on this machine and cuts uploads into chunks that get through.")
    .argument("<registry>", "the registry's address, such as registry.example.com")
    .option("--listen <address>", "where to listen: a port, or host:port", "127.0.0.1:5001")
    .option("--insecure", "speak plain HTTP to a registry on another machine")
    .option("--chunk <size>", "how large a chunk to send", DEFAULT_CHUNK)
    .option("--max-body <size>", "the largest request that the edge lets through", DEFAULT_MAX_BODY)
    .addHelpText("after", HELP)
    .action(run);
}

async function run(registry: string, options: Options): Promise<void> {
  const upstream = openUpstream(registry);
  assertPrivate(upstream.origin, options.insecure);
  const { host, port } = parseListen(options.listen);
  const chunk = parseSize(options.chunk);
  const maxBody = parseSize(options.maxBody);
  await assertRegistry(upstream);

  const server = createRelay(upstream, {
    chunk,
    maxBody,
    log: (line) => console.error(line),
    name: host,
  });
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  greet(options, address, upstream.origin.origin);
  onSignals(() => process.exit(0));
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    const what = taken ? `port ${port} is taken` : describe(error);
    throw new Failure(`Cannot listen on ${host}:${port}: ${what}. Choose another with --listen.`);
  }
}

function greet(options: Options, { address, family, port }: AddressInfo, registry: string): void {
  const shown = family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
  const said = `Relaying ${shown} to ${registry}. Push to it: docker push ${shown}/NAME:TAG`;
  print(options, said, { url: `http://${shown}`, registry });
  if (isLoopback(address, family)) return;
  console.error(
    `Warning: ${shown} is open to other machines. Whoever reaches it can talk to the registry through this one, and passwords and images cross that network unencrypted.`,
  );
}

/** @throws Failure */
function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw badInput(`${JSON.stringify(text)} is no address to listen on: write it like 127.0.0.1:5001.`);
  }
  return { host: match[1]?.replace(/[[\]]/g, "") ?? "127.0.0.1", port };
}

function isLoopback(address: string, family: string): boolean {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8);
  loopback.addAddress("::1", "ipv6");
  return loopback.check(address, family === "IPv6" ? "ipv6" : "ipv4");
}

/** What stands between a client and a registry on Workers: an edge that refuses large bodies, and the relay. */

import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { attempt, type Result } from "./command.ts";
import { logInTo } from "./login.ts";
import { freePort } from "./ports.ts";
import { ROOT } from "./registry.ts";
import { Service } from "./service.ts";

export const BERTH = join(ROOT, "src/cli/berth.js");

/** Like Cloudflare's: a page of HTML, before the registry hears of the request. */
const PAGE = `<html><head><title>413 Request Entity Too Large</title></head><body><center><h1>413 Request Entity Too Large</h1></center><hr><center>cloudflare</center></body></html>`;

export interface Edge {
  host: string;
  service: Service;
  /** `<method> <path> <status>` of every request. */
  requests(): string[];
}

/**
 * nginx, which lets so much through at a time. While the registry is away it answers 502.
 * @param limit as nginx writes it
 */
export async function startEdge(workspace: string, upstream: string, limit = "10m"): Promise<Edge> {
  const folder = mkdtempSync(join(workspace, "edge-"));
  for (const name of ["body", "proxy", "fastcgi", "uwsgi", "scgi"]) mkdirSync(join(folder, name));
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  log_format brief "$request_method $uri $status";
  access_log ${folder}/access.log brief;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    client_max_body_size ${limit};
    error_page 413 @too-large;
    location @too-large { default_type text/html; return 413 '${PAGE}'; }
    location / {
      proxy_pass http://${upstream}; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_request_buffering off; proxy_read_timeout 300s;
    }
  }
}`,
  );
  const service = new Service(
    "nginx",
    ["-c", config, "-e", `${folder}/error.log`],
    join(folder, "nginx.log"),
  );
  const host = `127.0.0.1:${port}`;
  await service.ready(async () => (await fetch(`http://${host}/v2/`)).status > 0);
  const requests = () => readFileSync(join(folder, "access.log"), "utf8").trim().split("\n");
  return { host, service, requests };
}

export interface Relay {
  host: string;
  service: Service;
}

/** `berth relay`, as a user starts it. */
export async function startRelay(workspace: string, upstream: string, ...options: string[]): Promise<Relay> {
  const port = await freePort();
  const log = join(mkdtempSync(join(workspace, "relay-")), "relay.log");
  const args = [BERTH, "relay", `http://${upstream}`, "--listen", `127.0.0.1:${port}`, ...options];
  const service = new Service(process.execPath, args, log);
  const host = `127.0.0.1:${port}`;
  await service.ready(async () => service.log.includes(`docker push ${host}/`));
  return { host, service };
}

/** `berth`, to its end, logged in wherever its arguments lead. @param folder of docker's configuration, and its own cache */
export function berth(args: string[], folder: string): Promise<Result> {
  return attempt(process.execPath, [BERTH, ...args], { env: berthEnv(folder, args) });
}

/** The environment of a `berth` that is logged in wherever its arguments lead. */
export function berthEnv(folder: string, args: readonly string[]): Record<string, string> {
  logInTo(join(folder, "config.json"), args);
  return { XDG_CACHE_HOME: join(folder, "cache"), DOCKER_CONFIG: folder };
}

export interface FrayedLine {
  host: string;
  /** How many connections were cut. */
  cuts(): number;
  close(): void;
}

/** A line that tears: every so many bytes on their way to the registry, the connection that carries them is cut. */
export async function startFrayedLine(upstream: string, lengths: readonly number[]): Promise<FrayedLine> {
  const [host = "", port = "0"] = upstream.split(":");
  const left = [...lengths];
  let until = left.shift() ?? Number.POSITIVE_INFINITY;
  const server = net.createServer((client) => {
    const registry = net.connect(Number(port), host);
    const end = () => {
      client.destroy();
      registry.destroy();
    };
    for (const socket of [client, registry]) socket.on("error", end).on("close", end);
    client.on("data", (bytes) => {
      until -= bytes.length;
      if (until > 0) return;
      until = left.shift() ?? Number.POSITIVE_INFINITY;
      end();
    });
    client.pipe(registry);
    registry.pipe(client);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    host: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    cuts: () => lengths.length - left.length - (until === Number.POSITIVE_INFINITY ? 0 : 1),
    close: () => server.close(),
  };
}

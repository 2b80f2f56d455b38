/** Credentials, from where docker keeps them: its configuration file, or the helper that it names. */

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { badInput, describe, Failure } from "../failure.ts";
import type { Credentials } from "./credentials.ts";

interface DockerConfig {
  auths?: Record<string, { auth?: string; identitytoken?: string }>;
  credHelpers?: Record<string, string>;
  credsStore?: string;
}

/**
 * @param host the registry's, with its port when it has one
 * @returns null when docker has none for it
 * @throws Failure
 */
export async function readDockerCredentials(host: string): Promise<Credentials | null> {
  const config = await readConfig();
  const helper = config.credHelpers?.[host] ?? config.credsStore;
  const own = helper ? await askHelper(helper, host) : null;
  if (own !== null) return own;
  const entry = Object.entries(config.auths ?? {}).find(([key]) => hostOf(key) === host)?.[1];
  if (entry?.identitytoken) return { kind: "identity-token", token: entry.identitytoken };
  if (!entry?.auth) return null;
  const [user = "", ...password] = Buffer.from(entry.auth, "base64").toString().split(":");
  return { kind: "password", user, password: password.join(":") };
}

async function readConfig(): Promise<DockerConfig> {
  const path = join(process.env.DOCKER_CONFIG || join(homedir(), ".docker"), "config.json");
  try {
    const config: unknown = JSON.parse(await readFile(path, "utf8"));
    return typeof config === "object" && config !== null ? config : {};
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw badInput(`Cannot read docker's configuration ${path}: ${describe(error)}.`);
  }
}

/** docker writes registry.example.com; older ones wrote https://registry.example.com/v1/. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
}

/** docker-credential-helpers: `get` reads the host from standard input and prints JSON. */
async function askHelper(name: string, host: string): Promise<Credentials | null> {
  const program = `docker-credential-${name}`;
  if (/[/\\]/.test(name))
    throw badInput(`docker's configuration names a credential helper with a path: ${name}.`);
  const child = spawn(program, ["get"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", (error) => {
      reject(new Failure(`docker's credential helper ${program} cannot be run: ${describe(error)}.`));
    });
    child.once("close", (code) => resolve(code ?? 1));
  });
  // A helper that ends without reading must not end this program.
  child.stdin.on("error", () => {});
  child.stdin.end(host);
  const [output, code] = await Promise.all([text(child.stdout), ended]);
  // It says on standard output that it has none.
  if (code !== 0 && /credentials not found/i.test(output)) return null;
  if (code !== 0)
    throw new Failure(`docker's credential helper ${program} failed: ${describe(output.trim())}.`);
  const { Username, Secret } = JSON.parse(output) as { Username: string; Secret: string };
  if (Username === "<token>") return { kind: "identity-token", token: Secret };
  return { kind: "password", user: Username, password: Secret };
}

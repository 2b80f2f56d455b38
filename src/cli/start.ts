/** `npm start`: the registry on this machine, on loopback, with its state on local disk. */

import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import process from "node:process";
import { hashPassword } from "./user-entries.ts";
import { UserStore } from "./user-store.ts";
import { runWrangler, STATE, startWrangler } from "./wrangler.ts";

const HOST = "127.0.0.1";

const port = parsePort(process.env.PORT ?? "5000");

interface FirstUser {
  user: string;
  password: string;
}

function parsePort(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number > 0 && number < 65_536) return number;
  return fail(`PORT is ${JSON.stringify(text)}, but must be a number from 1 to 65535.`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function assertFree(port: number): Promise<void> {
  return new Promise((free) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") {
        fail(`Port ${port} is taken. Choose another one: PORT=${port + 1} npm start`);
      }
      fail(`Cannot listen on ${HOST}:${port}: ${error.message}`);
    });
    probe.listen(port, HOST, () => probe.close(() => free()));
  });
}

/** Applies migrations, and makes the first user. @returns null when there are users already */
async function prepare(): Promise<FirstUser | null> {
  try {
    const users = UserStore.local();
    // One after the other: on new state, two of them lock each other out.
    await runWrangler(["d1", "migrations", "apply", "DB", "--local", "--persist-to", STATE]);
    if ((await users.list()).length > 0) return null;
    // A test, or a container that is started unattended, may want to know it beforehand.
    const password = process.env.BERTH_ADMIN_PASSWORD ?? randomBytes(12).toString("base64url");
    await users.put(new Map([["admin", await hashPassword(password)]]));
    return { user: "admin", password };
  } catch (error) {
    return fail(`The local state could not be prepared:\n${(error as Error).message}`);
  }
}

function serve(first: FirstUser | null): void {
  const child = startWrangler([
    ...["dev", "--ip", HOST, "--port", String(port), "--persist-to", STATE],
    ...["--show-interactive-dev-session=false", "--infer-origin-from-routes=false"],
    // npm start -- --var GRACE_PERIOD:1h
    ...process.argv.slice(2),
  ]);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const log = new Log(() => greet(first));
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8");
    stream?.on("data", (data: string) => log.push(data));
  }
  child.once("close", (code) => {
    log.flush();
    process.exit(code ?? 0);
  });
}

/**
 * Passes on what wrangler says: once it serves, its log; before that nothing, unless it fails.
 * A client that hangs up is daily business of a registry, and no error of this server.
 */
class Log {
  readonly #ready: () => void;
  #rest = "";
  #startup: string | null = "";

  constructor(ready: () => void) {
    this.#ready = ready;
  }

  push(data: string): void {
    const lines = (this.#rest + data).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line.replace("[wrangler:info] ", ""));
  }

  flush(): void {
    if (this.#startup) console.error(this.#startup);
  }

  #line(line: string): void {
    if (this.#startup === null) {
      if (line.trim() !== "" && !line.includes("Error inside ProxyWorker")) console.log(line);
    } else if (line.includes("Ready on ")) {
      this.#startup = null;
      this.#ready();
    } else {
      this.#startup += `${line}\n`;
    }
  }
}

function greet(first: FirstUser | null): void {
  const here = `${HOST}:${port}`;
  const login =
    first === null
      ? `  docker login ${here}          more users: npm run user -- add NAME`
      : `  docker login -u ${first.user} -p ${first.password} ${here}`;
  console.log(`
Berth serves on ${here}, for this machine only.${first === null ? "" : " This password is shown only once."}

${login}
  docker pull busybox
  docker tag busybox ${here}/library/busybox
  docker push ${here}/library/busybox
`);
}

await assertFree(port);
serve(await prepare());

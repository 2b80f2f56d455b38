/** `npm start`, as whoever runs it sees it. */

import { fork, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { attempt, type Result } from "./support/command.ts";
import { configWith } from "./support/configs.ts";
import { PASSWORD, send, USER } from "./support/login.ts";
import { freePort } from "./support/ports.ts";
import { membersOf } from "./support/process-group.ts";
import { ROOT, startRegistry } from "./support/registry.ts";
import { Service } from "./support/service.ts";
import { host, workspace } from "./support/shared.ts";
import { asVars, openStore } from "./support/store.ts";

function start(port: string): Promise<Result> {
  const state = mkdtempSync(join(workspace, "unused-"));
  return attempt("npm", ["start", "--silent"], { cwd: ROOT, env: { PORT: port, BERTH_STATE: state } });
}

/** A port that somebody else listens on, until the server is closed. */
async function occupyPort(): Promise<{ port: number; server: Server }> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { port: (server.address() as AddressInfo).port, server };
}

describe("npm start", () => {
  it("ends with one clear line when the port is taken", async () => {
    const { port, server } = await occupyPort();
    try {
      const { code, stdout, stderr } = await start(String(port));
      expect(code).toBe(1);
      expect(stdout).toBe("");
      expect(stderr.trim()).toMatch(new RegExp(`^berth: Port ${port} is taken\\..*PORT=\\d+ npm start$`));
    } finally {
      server.close();
    }
  });

  it("ends with the same line when another registry has the port", async () => {
    const port = host.split(":")[1] ?? "";
    const { code, stderr } = await start(port);
    expect(code).toBe(1);
    expect(stderr.trim()).toMatch(new RegExp(`^berth: Port ${port} is taken\\.`));
    expect((await send(`http://${host}/v2/`)).status).toBe(200);
  });

  it("says so too when somebody takes the port while it begins, and then has made no user", async () => {
    const { port, server } = await occupyPort();
    const state = mkdtempSync(join(workspace, "late-"));
    const env = { ...process.env, BERTH_STATE: state };
    try {
      // What npm start starts once it has found the port free.
      const settings = JSON.stringify({ host: "127.0.0.1", port, vars: {}, tls: null });
      const child = fork(join(ROOT, "src/cli/dev-server.ts"), [settings], { cwd: ROOT, env, silent: true });
      const said = new Promise((resolve) => child.once("message", resolve));
      const [code, stdout, stderr] = await Promise.all([
        new Promise((resolve) => child.once("close", resolve)),
        text(child.stdout as Readable),
        text(child.stderr as Readable),
      ]);
      expect([code, stdout, stderr]).toEqual([1, "", ""]);
      const message = `Port ${port} is taken. Choose another one: PORT=${port + 1} npm start`;
      expect(await said).toEqual({ kind: "failed", message });
    } finally {
      server.close();
    }
    // Its password would have been told to nobody.
    const { service } = await startRegistry(workspace, { port: await freePort(), state });
    await service.stop();
    expect(service.log).toContain("This password is shown only once.");
  });

  it.each(["abc", "", "0", "-1", "65536", "50.5"])("refuses PORT=%j with one clear line", async (port) => {
    const { code, stdout, stderr } = await start(port);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.trim()).toBe(
      `berth: PORT is ${JSON.stringify(port)}, but must be a number from 1 to 65535.`,
    );
  });

  it("ends with what is wrong when the state cannot be kept where it is to be", async () => {
    const env = { PORT: String(await freePort()), BERTH_STATE: "/dev/null/state" };
    const { code, stdout, stderr } = await attempt("npm", ["start", "--silent"], { cwd: ROOT, env });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^berth: The local state could not be prepared: .*\/dev\/null\/state.*\n$/);
  });

  it("serves a folder of state once: a second one ends with one clear line, until the first has ended", async () => {
    const { host, service, state } = await startRegistry(workspace);
    const env = { PORT: String(await freePort()), BERTH_STATE: state };
    const { code, stdout, stderr } = await attempt("npm", ["start", "--silent"], { cwd: ROOT, env });
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(
      `berth: The local state could not be prepared: another npm start serves ${state}. ` +
        "End that one, or choose another folder by BERTH_STATE.\n",
    );
    expect((await send(`http://${host}/v2/`)).status).toBe(200);
    await service.stop();
    const again = await startRegistry(workspace, { port: await freePort(), state });
    await again.service.stop();
  });

  it("says how to push the first image, and nothing that has to be understood", async () => {
    const { service, port, state } = await startRegistry(workspace);
    await service.stop();
    // What it keeps there is nobody else's business.
    expect((statSync(state).mode & 0o777).toString(8)).toBe("700");
    // npm's own lines, and the one of the question whether it serves.
    const lines = service.log.split("\n").filter((line) => !/^(> |npm |GET )/.test(line));
    expect(lines.join("\n").trim()).toBe(
      `Berth serves on 127.0.0.1:${port}, for this machine only. This password is shown only once.

  docker login -u ${USER} -p ${PASSWORD} 127.0.0.1:${port}
  docker pull busybox
  docker tag busybox 127.0.0.1:${port}/library/busybox
  docker push 127.0.0.1:${port}/library/busybox`,
    );
  });

  it("tells a program in one line where it serves and whom it has made, and logs beside that", async () => {
    const port = await freePort();
    const log = join(mkdtempSync(join(workspace, "log-")), "log");
    const env = {
      ...{ PORT: String(port), BERTH_STATE: mkdtempSync(join(workspace, "registry-")) },
      BERTH_ADMIN_PASSWORD: PASSWORD,
    };
    const command = `exec npm start --silent -- --json 2> ${log}`;
    const service = new Service("bash", ["-c", command], `${log}.json`, { cwd: ROOT, env });
    await service.ready(async () => service.log !== "" && (await send(`http://127.0.0.1:${port}/v2/`)).ok);
    await service.stop();
    expect(JSON.parse(service.log)).toEqual({
      url: `http://127.0.0.1:${port}`,
      certificate: null,
      first: { user: USER, password: PASSWORD },
    });
    expect(readFileSync(log, "utf8")).toMatch(/^GET \/v2\/ 200 OK/m);
  });

  it("tells a secret that the store refuses, by the store's code, before anybody asks", async () => {
    const port = await freePort();
    const folder = mkdtempSync(join(workspace, "refused-"));
    const { variables } = await openStore("s3", { port, state: folder });
    const wrong = asVars({ ...variables, STORE_SECRET_ACCESS_KEY: "not-the-secret" });
    const service = new Service(
      "npm",
      ["start", "--silent", "--", ...wrong.flatMap((variable) => ["--var", variable])],
      join(folder, "registry.log"),
      {
        cwd: ROOT,
        env: { PORT: String(port), BERTH_STATE: folder, BERTH_CONFIG: configWith(folder, { s3: true }) },
      },
    );
    await service.ready(async () => service.log.includes("store-refuses"));
    await service.stop();
    expect(service.log).toContain("SignatureDoesNotMatch");
    expect(service.log).not.toContain("not-the-secret");
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "ends on %s with all that it started, and frees the port",
    async (signal) => {
      const registry = await startRegistry(workspace);
      await registry.service.stop(signal);
      expect(await isOpen("127.0.0.1", registry.port)).toBe(false);
    },
  );

  it("ends when npm alone is told to, and frees port and state", async () => {
    const port = await freePort();
    const state = mkdtempSync(join(workspace, "orphan-"));
    const env = { ...process.env, PORT: String(port), BERTH_STATE: state, BERTH_ADMIN_PASSWORD: PASSWORD };
    const npm = spawn("npm", ["start"], { cwd: ROOT, env, stdio: "ignore" });
    while (!(await isOpen("127.0.0.1", port))) await sleep(200);
    npm.kill("SIGTERM");
    while (await isOpen("127.0.0.1", port)) await sleep(200);
    await (await startRegistry(workspace, { port, state })).service.stop();
  });

  it("that is ended while it begins says nothing, and leaves neither a process nor a file", async () => {
    const state = mkdtempSync(join(workspace, "begins-"));
    const temporary = mkdtempSync(join(workspace, "temporary-"));
    const service = new Service(process.execPath, ["src/cli/berth.js", "start"], `${state}.log`, {
      cwd: ROOT,
      env: { PORT: String(await freePort()), BERTH_STATE: state, TMPDIR: temporary },
    });
    await service.ready(async () => readdirSync(temporary).some((name) => name.startsWith("berth-worker-")));
    // Until wrangler bundles; a supervisor's signal goes to the program alone.
    await sleep(300);
    process.kill(service.pid, "SIGTERM");
    await expect.poll(() => membersOf(service.pid)).toEqual([]);
    await service.kill();
    expect(service.log).toBe("");
    expect(readdirSync(temporary).filter((name) => /^(berth|miniflare)/.test(name))).toEqual([]);
  });

  it("removes what was being written when it was killed", async () => {
    const at = { port: await freePort(), state: mkdtempSync(join(workspace, "killed-")) };
    const folder = join(at.state, "objects/stored/blobs/a~");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, ".abc.123.4.tmp"), "half of it");
    const registry = await startRegistry(workspace, at);
    await expect.poll(() => readdirSync(folder)).toEqual([]);
    await registry.service.stop();
  });

  it("opens no port but the registry's, and no inspector behind any that workerd keeps for itself", async () => {
    const registry = await startRegistry(workspace);
    try {
      const ports = listening(registry.service.pid);
      expect(ports).toContain(registry.port);
      for (const port of ports) {
        // An inspector lists there what can be debugged, without asking who wants to know.
        const answer = await fetch(`http://127.0.0.1:${port}/json`, { signal: AbortSignal.timeout(5000) });
        expect([port, answer.ok, await answer.text()]).toEqual([
          port,
          false,
          expect.not.stringMatching(/debugger/i),
        ]);
      }
    } finally {
      await registry.service.stop();
    }
  });

  it("listens on loopback only", async () => {
    const addresses = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === "IPv4");
    const port = Number(host.split(":")[1]);
    for (const { address } of addresses) expect(await isOpen(address, port)).toBe(false);
    expect(await isOpen("127.0.0.1", port)).toBe(true);
    expect(await isOpen("127.0.0.1", await freePort())).toBe(false);
  });
});

function isOpen(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The TCP ports that a process group listens on. */
function listening(group: number): number[] {
  const sockets = new Set(membersOf(group).flatMap(socketsOf));
  return ["tcp", "tcp6"].flatMap((file) =>
    readFileSync(`/proc/net/${file}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      // 0A is LISTEN.
      .filter(([, , , state, , , , , , inode]) => state === "0A" && sockets.has(`socket:[${inode}]`))
      .map(([, address = ""]) => Number.parseInt(address.split(":")[1] ?? "", 16)),
  );
}

function socketsOf(pid: string): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

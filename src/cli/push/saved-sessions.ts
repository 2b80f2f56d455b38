/**
 * Upload sessions that outlive this program, so that a push that was interrupted goes on where it was. One small
 * file each, in the user's cache folder; losing one costs nothing but bytes sent again.
 */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Digest } from "../../oci/digest.ts";

/** Registries forget sessions sooner than this. Milliseconds. */
const MAX_AGE = 7 * 24 * 3_600_000;

interface SavedSession {
  location: string;
  /** The process that sends to it; two must not. */
  pid: number;
}

export class SavedSessions {
  readonly #folder: string;
  readonly #scope: string;
  /** Writes happen one after the other, so that the last one lasts. */
  #writing: Promise<void> = Promise.resolve();

  /** @param scope the registry and repository that the sessions belong to */
  constructor(scope: string, folder: string = cacheFolder()) {
    this.#scope = scope;
    this.#folder = folder;
  }

  /** Where a session for this blob was left; null when there is none that is free. */
  async load(digest: Digest): Promise<URL | null> {
    try {
      const saved: SavedSession = JSON.parse(await readFile(this.#path(digest), "utf8"));
      if (saved.pid !== process.pid && isRunning(saved.pid)) return null;
      return new URL(saved.location);
    } catch {
      return null;
    }
  }

  save(digest: Digest, location: URL): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write(digest, location));
    return this.#writing;
  }

  async #write(digest: Digest, location: URL): Promise<void> {
    const path = this.#path(digest);
    const saved: SavedSession = { location: location.href, pid: process.pid };
    // A cache that cannot be written must not stop a push.
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      // The Location may be all that it takes to write to the session.
      await writeFile(`${path}.${process.pid}`, JSON.stringify(saved), { mode: 0o600 });
      await rename(`${path}.${process.pid}`, path);
    } catch {}
  }

  forget(digest: Digest): Promise<void> {
    this.#writing = this.#writing.then(() => rm(this.#path(digest), { force: true })).catch(() => {});
    return this.#writing;
  }

  /** Removes what no registry remembers any more. */
  async forgetOld(now: number): Promise<void> {
    for (const name of await readdir(this.#folder).catch(() => [])) {
      const path = join(this.#folder, name);
      const found = await stat(path).catch(() => null);
      if (found !== null && now - found.mtimeMs > MAX_AGE) await rm(path, { force: true }).catch(() => {});
    }
  }

  #path(digest: Digest): string {
    const key = createHash("sha256").update(`${this.#scope} ${digest}`).digest("hex");
    return join(this.#folder, `${key}.json`);
  }
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "berth", "uploads");
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

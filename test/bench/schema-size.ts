/**
 * `npm run bench:schema`: how many bytes the database takes for an image, and where they are. The project's own
 * migrations in SQLite, filled as pushes fill them, one after another, with digests that are random.
 *
 * An image: a manifest of 1,800 bytes with a tag, in one of a thousand repositories. It names ten blobs: five of its
 * own, one that other repositories have as well, and four that earlier images of its repository brought.
 */

import { randomBytes, randomInt } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { OCI_MANIFEST } from "../../src/oci/media-types.ts";

const MIGRATIONS = fileURLToPath(new URL("../../migrations", import.meta.url));

/** What a D1 database holds at most on a paid plan, 10 GB. Bytes. */
const LIMIT = 10e9;

const MANIFEST = 1800;

const { values } = parseArgs({
  options: { images: { type: "string", default: "100000" }, audit: { type: "boolean", default: false } },
});
const images = Number(values.images);
const repositories = Math.ceil(images / 100);
const shared = Math.ceil(images / 20);

const db = new DatabaseSync(":memory:");
for (const file of readdirSync(MIGRATIONS).sort()) db.exec(readFileSync(join(MIGRATIONS, file), "utf8"));

/** The clock of the rows: a push every second. Milliseconds since the epoch. */
let now = Date.now();

const addRepository = db.prepare("INSERT INTO repositories (id, name) VALUES (?, ?)");
const addBlob = db.prepare("INSERT INTO blobs (digest, object_key, size, used_at) VALUES (?, ?, ?, ?)");
const addLink = db.prepare(
  "INSERT INTO repository_blobs (repository_id, blob_id, used_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
);
const addManifest = db.prepare(
  `INSERT INTO manifests (repository_id, digest, media_type, size, content, used_at)
   VALUES (?, ?, '${OCI_MANIFEST}', ${MANIFEST}, ?, ?)`,
);
const addReference = db.prepare(
  `INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
);
const addTag = db.prepare(
  "INSERT INTO tags (repository_id, name, manifest_id, updated_at) VALUES (?, ?, ?, ?)",
);
const addEvent = db.prepare(
  `INSERT INTO audit_events (id, at, actor, credential, address, user_agent, action, outcome, repository, reference,
                             new_digest, detail)
   VALUES (?, ?, 'ci-builder', 'password', '203.0.113.7', 'docker/28.5.2 go/go1.24.8', ?, 'done', ?, ?, ?, ?)`,
);

const pushing = timed(fill);
report();
process.stdout.write(`\n${speed()}\n`);

function fill(): void {
  db.exec("BEGIN");
  for (let id = 1; id <= repositories; id++) addRepository.run(id, nameOf(id));
  const common = Array.from({ length: shared }, () => pushBlob());
  const held = new Map<number, number[]>();
  for (let image = 0; image < images; image++) {
    now += 1000;
    const repository = 1 + randomInt(repositories);
    const own = held.get(repository) ?? [];
    held.set(repository, own);
    const earlier = Array.from({ length: Math.min(4, own.length) }, () => pick(own));
    const fresh = Array.from({ length: 5 }, () => pushBlob(repository));
    for (const blob of fresh) addLink.run(repository, blob, now);
    const base = pick(common);
    addLink.run(repository, base, now);
    pushManifest(repository, `v1.${image}`, [...earlier, ...fresh, base]);
    own.push(...fresh);
  }
  db.exec("COMMIT");
}

function nameOf(repository: number): string {
  return `team-${repository % 50}/application-${repository}`;
}

/** @returns its id @param repository whose push it is, for the audit trail */
function pushBlob(repository?: number): number {
  const digest = newDigest();
  const key = `blobs/${randomBytes(12).toString("base64url")}`;
  const { lastInsertRowid } = addBlob.run(digest, key, 30_000_000, now);
  if (repository !== undefined) note(key, "push-blob", repository, null, digest, `{"size":30000000}`);
  return Number(lastInsertRowid);
}

function pushManifest(repository: number, tag: string, blobs: number[]): void {
  const digest = newDigest();
  const id = Number(addManifest.run(repository, digest, "x".repeat(MANIFEST), now).lastInsertRowid);
  for (const blob of blobs) addReference.run(id, blob, repository);
  addTag.run(repository, tag, id, now);
  const request = crypto.randomUUID();
  note(`${request}/manifest`, "push-manifest", repository, null, digest, `{"tags":["${tag}"]}`);
  note(`${request}/tag/${tag}`, "move-tag", repository, tag, digest, null);
}

function note(
  id: string,
  action: string,
  repository: number,
  reference: string | null,
  digest: string,
  detail: string | null,
): void {
  if (values.audit) addEvent.run(id, now, action, nameOf(repository), reference, digest, detail);
}

function newDigest(): string {
  return `sha256:${randomBytes(32).toString("hex")}`;
}

function pick(list: number[]): number {
  return list[randomInt(list.length)] as number;
}

function report(): void {
  const total = one("SELECT page_count * page_size AS n FROM pragma_page_count, pragma_page_size");
  const free = one("SELECT freelist_count AS n FROM pragma_freelist_count");
  const counts = ["manifests", "tags", "manifest_blobs", "repository_blobs", "blobs", "repositories"];
  const rows = counts.map((table) => `${count(one(`SELECT count(*) AS n FROM ${table}`))} ${table}`);
  const perDatabase = Math.floor((LIMIT * images) / total);
  process.stdout.write(
    `${rows.join(", ")}\n${count(total)} bytes, ${free} free pages: ${Math.round(total / images)} bytes an image, ` +
      `${count(perDatabase)} images per 10 GB\n\n`,
  );
  process.stdout.write("| table or index | bytes an image | share |\n|---|---|---|\n");
  for (const { name, bytes } of pagesByName()) {
    if (bytes / total < 0.001) continue;
    const share = `${((100 * bytes) / total).toFixed(1)} %`;
    process.stdout.write(`| ${name} | ${Math.round(bytes / images)} | ${share} |\n`);
  }
}

/** Milliseconds that it takes. */
function timed(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}

/** How many of each SQLite does in a second, by itself: what the database's one thread has to do for a call. */
function speed(): string {
  const tagged = db.prepare(
    `SELECT digest, media_type, size, content FROM tags JOIN manifests ON manifests.id = manifest_id
     WHERE tags.repository_id = (SELECT id FROM repositories WHERE name = ?) AND tags.name = ?`,
  );
  const linked = db.prepare(
    `SELECT blobs.object_key, blobs.size FROM blobs JOIN repository_blobs AS link ON link.blob_id = blobs.id
     WHERE link.repository_id = (SELECT id FROM repositories WHERE name = ?) AND blobs.digest = ?`,
  );
  const named = db.prepare("SELECT repository_id, name FROM tags LIMIT 1000").all();
  const held = db
    .prepare(
      `SELECT repository_id, digest FROM repository_blobs JOIN blobs ON blobs.id = blob_id
       WHERE blobs.id IN (SELECT id FROM blobs ORDER BY digest LIMIT 1000)`,
    )
    .all();
  const manifests = timed(() => {
    for (const { repository_id: id, name } of named) tagged.get(nameOf(Number(id)), String(name));
  });
  const blobs = timed(() => {
    for (const { repository_id: id, digest } of held) linked.get(nameOf(Number(id)), String(digest));
  });
  const perSecond = (many: number, took: number) => count(Math.round((many / took) * 1000));
  return (
    `a second: ${perSecond(images, pushing)} images pushed, ${perSecond(named.length, manifests)} manifests found by tag, ` +
    `${perSecond(held.length, blobs)} blobs found`
  );
}

function pagesByName(): { name: string; bytes: number }[] {
  const rows = db
    .prepare("SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC")
    .all();
  return rows.map(({ name, bytes }) => ({ name: String(name), bytes: Number(bytes) }));
}

function one(sql: string): number {
  return Number(db.prepare(sql).get()?.n);
}

function count(number: number): string {
  return number.toLocaleString("en");
}

/**
 * A database with an image in it, as an older version leaves it, serves after every later migration. What stands here
 * is what that version wrote: a migration may not ask for it to be changed.
 */

import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import { forgetMigrated } from "../../src/routes/unavailable.ts";
import { age, collected, expectSound } from "../gc/support.ts";
import { imageOf, indexOf } from "../support/images.ts";
import { pullBlob, pushBlob, request, sha256 } from "../support/registry.ts";
import { addUser } from "../support/users.ts";

const IMAGE = imageOf("config", ["layer"]);
const INDEX = indexOf([IMAGE]);
const SIGNATURE = imageOf("config", [], { subject: { ...indexOf([IMAGE]).manifests[0] } });
const [image, index, signature] = [IMAGE, INDEX, SIGNATURE].map((one) => JSON.stringify(one)) as [
  string,
  string,
  string,
];

/** The rows that pushes have made, by the schema of version 6. What triggers add is not here. */
async function fill(): Promise<void> {
  const blob = env.DB.prepare(
    "INSERT INTO blobs (id, digest, object_key, size, used_at) VALUES (?1, ?2, ?3, ?4, unixepoch() * 1000)",
  );
  const link = env.DB.prepare(
    "INSERT INTO repository_blobs (repository_id, blob_id, used_at) VALUES (1, ?1, unixepoch() * 1000)",
  );
  const manifest = env.DB.prepare(
    "INSERT INTO manifests (id, repository_id, digest, media_type, size, content, subject, used_at) VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, unixepoch() * 1000)",
  );
  await env.DB.batch([
    env.DB.prepare("INSERT INTO repositories (id, name, owner) VALUES (1, 'team/app', 'alice')"),
    blob.bind(1, sha256("config"), "blobs/config", 6),
    blob.bind(2, sha256("layer"), "blobs/layer", 5),
    blob.bind(3, sha256("garbage"), "blobs/garbage", 7),
    ...[1, 2, 3].map((id) => link.bind(id)),
    manifest.bind(1, sha256(image), IMAGE.mediaType, image.length, image, null),
    manifest.bind(2, sha256(index), INDEX.mediaType, index.length, index, null),
    manifest.bind(3, sha256(signature), IMAGE.mediaType, signature.length, signature, sha256(image)),
    env.DB.prepare(
      "INSERT INTO manifest_blobs (manifest_id, blob_id, repository_id) VALUES (1, 1, 1), (1, 2, 1), (3, 1, 1)",
    ),
    env.DB.prepare("INSERT INTO index_manifests (index_id, digest, repository_id) VALUES (2, ?1, 1)").bind(
      sha256(image),
    ),
    env.DB.prepare(
      "INSERT INTO tags (repository_id, name, manifest_id, updated_at) VALUES (1, 'latest', 2, unixepoch() * 1000)",
    ),
  ]);
  for (const content of ["config", "layer", "garbage"]) await env.BUCKET.put(`blobs/${content}`, content);
}

describe.each([6, 7])("a database of schema version %i, after all later migrations", (version) => {
  beforeEach(async () => {
    await reset();
    forgetMigrated();
    await addUser("admin");
    await applyD1Migrations(env.DB, env.MIGRATIONS.slice(0, version));
    await fill();
    await applyD1Migrations(env.DB, env.MIGRATIONS);
  });

  test("is sound, and serves what was pushed", async () => {
    await expectSound();
    expect(await (await request("GET", "/v2/team/app/manifests/latest")).text()).toBe(index);
    expect(await (await request("GET", `/v2/team/app/manifests/${sha256(image)}`)).text()).toBe(image);
    expect(await pullBlob("team/app", sha256("layer"))).toBe("layer");
    const referrers = await request("GET", `/v2/team/app/referrers/${sha256(image)}`);
    expect(((await referrers.json()) as typeof INDEX).manifests).toHaveLength(1);
    const catalog = await request("GET", "/v2/_catalog");
    expect(await catalog.json()).toEqual({ repositories: ["team/app"] });
  });

  test("is pushed to, deleted from and collected", async () => {
    await pushBlob("team/app", "more");
    expect((await request("DELETE", "/v2/team/app/manifests/latest")).status).toBe(202);
    await age(2);
    expect(await collected()).toMatchObject({ links: 2, blobs: 2 });
    await expectSound();
    expect(await pullBlob("team/app", sha256("layer"))).toBe("layer");
  });
});

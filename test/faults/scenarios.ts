/** What is played with each of its calls failing. Every play has an id of its own: names and contents are new. */

import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { age } from "../gc/support.ts";
import { bucket } from "../support/bucket.ts";
import { setDaysAhead } from "../support/clock.ts";
import { breakAll, healAll, interleave } from "../support/faults.ts";
import { digestOfManifest, imageOf, indexOf, manifestDescriptor, pushImage } from "../support/images.ts";
import { forgetPulls } from "../support/pulls.ts";
import {
  bytesOf,
  close,
  noise,
  patch,
  pushBlob,
  putManifest,
  request,
  sha256,
  startUpload,
  streamOf,
} from "../support/registry.ts";
import { setVariables } from "../support/settings.ts";
import { stubOf } from "../support/upload-session.ts";
import type { PatientClient } from "./patient-client.ts";

type Content = string | Uint8Array<ArrayBuffer>;

/** What a play leaves behind that was acknowledged: it must pull whole, now and after any collection. */
export interface Kept {
  name: string;
  blobs?: Content[];
  manifests?: object[];
}

export interface Scenario {
  title: string;
  /** With nothing failing. @returns what `play` is to know */
  prepare?(id: string): Promise<string>;
  play(client: PatientClient, id: string, prepared: string): Promise<Kept>;
  /** How much time passes before it is played. Days. */
  wait?: number;
  /** Whether it can be played again and again on what was prepared once. */
  changesNothing?: boolean;
}

const PART = 8 * 1024 * 1024;
const PADDING = { padding: "x".repeat(1_000_001) };

function large(id: string): Uint8Array<ArrayBuffer> {
  return noise(PART + 100, Number(id) + 1);
}

/** In R2 alone: the row does not know. */
async function loseObject(table: "blobs" | "manifests", digest: string): Promise<void> {
  const key = await env.DB.prepare(`SELECT object_key FROM ${table} WHERE digest = ?1`)
    .bind(digest)
    .first<string>("object_key");
  await bucket.delete(key ?? "");
}

function evict(location: string): Promise<void> {
  return evictDurableObject(stubOf(location));
}

const uploads: Scenario[] = [
  {
    title: "a whole PUT",
    async play(client, id) {
      const name = `whole${id}`;
      const location = await client.startUpload(name);
      const path = `${location}?digest=${sha256(name)}`;
      await client.ask({ method: "PUT", path, init: () => ({ body: name }), expected: [201] });
      return { name, blobs: [name] };
    },
  },
  {
    title: "a POST with a digest",
    async play(client, id) {
      const name = `post${id}`;
      const path = `/v2/${name}/blobs/uploads/?digest=${sha256(name)}`;
      await client.ask({ method: "POST", path, init: () => ({ body: name }), expected: [201] });
      return { name, blobs: [name] };
    },
  },
  {
    title: "a POST with a digest, of unknown length",
    async play(client, id) {
      const name = `stream${id}`;
      const path = `/v2/${name}/blobs/uploads/?digest=${sha256(name)}`;
      const init = () => ({ body: streamOf([bytesOf(name)]) });
      await client.ask({ method: "POST", path, init, expected: [201] });
      return { name, blobs: [name] };
    },
  },
  {
    title: "chunks, the last one in the closing PUT",
    async play(client, id) {
      const name = `chunks${id}`;
      const content = bytesOf(`${name} hello`);
      const location = await client.startUpload(name);
      await client.send(location, content, 0, 3);
      await client.ask({ method: "GET", path: location, expected: [204] });
      // So late that the session has to be counted anew.
      setDaysAhead(0.5);
      await client.send(location, content, 3, 7);
      await client.send(location, content, 7, content.byteLength, sha256(content));
      return { name, blobs: [content] };
    },
  },
  {
    title: "a multipart upload whose running hash was lost",
    async play(client, id) {
      const name = `multipart${id}`;
      const content = large(id);
      const location = await client.startUpload(name);
      await client.send(location, content, 0, content.byteLength);
      await evict(location);
      await client.close(location, sha256(content));
      return { name, blobs: [content] };
    },
  },
  {
    title: "a blob that another repository has already",
    async prepare(id) {
      await pushBlob(`twice${id}-other`, `twice${id}`);
      return "";
    },
    async play(client, id) {
      const name = `twice${id}`;
      const location = await client.startUpload(name);
      const content = bytesOf(name);
      await client.send(location, content, 0, content.byteLength);
      await client.close(location, sha256(name));
      return { name, blobs: [name] };
    },
  },
  {
    title: "mounts, from a named repository and from any",
    async prepare(id) {
      await pushBlob(`mount${id}-source`, `mount${id}`);
      return "";
    },
    async play(client, id) {
      const name = `mount${id}`;
      for (const from of [`&from=${name}-source`, ""]) {
        const path = `/v2/${name}/blobs/uploads/?mount=${sha256(name)}${from}`;
        await client.ask({ method: "POST", path, expected: [201] });
      }
      return { name, blobs: [name] };
    },
  },
  {
    title: "a multipart upload that is cancelled",
    async prepare(id) {
      const location = await startUpload(`cancelled${id}`);
      await patch(location, large(id));
      return location;
    },
    async play(client, id, location) {
      // What was cancelled with its answer lost is there no more.
      await client.ask({ method: "DELETE", path: location, expected: [204, 404] });
      await client.ask({ method: "GET", path: location, expected: [404] });
      return { name: `cancelled${id}` };
    },
  },
  {
    title: "an upload that is cancelled after its commit could not be reached",
    async prepare(id) {
      const location = await startUpload(`uncommitted${id}`);
      await patch(location, `uncommitted${id}`);
      breakAll("DB.batch", "before");
      await close(location, sha256(`uncommitted${id}`));
      healAll();
      return location;
    },
    async play(client, id, location) {
      await client.ask({ method: "DELETE", path: location, expected: [204, 404] });
      await client.ask({ method: "GET", path: location, expected: [404] });
      return { name: `uncommitted${id}` };
    },
  },
  {
    title: "a blob whose object has gone, found missing and pushed again",
    async prepare(id) {
      const digest = await pushBlob(`gone${id}`, `gone${id}`);
      await loseObject("blobs", digest);
      return digest;
    },
    async play(client, id, digest) {
      const name = `gone${id}`;
      const blob = `/v2/${name}/blobs/${digest}`;
      for (const method of ["GET", "HEAD"]) await client.ask({ method, path: blob, expected: [404] });
      const path = `/v2/${name}/blobs/uploads/?digest=${digest}`;
      await client.ask({ method: "POST", path, init: () => ({ body: name }), expected: [201] });
      await client.expectText("GET", blob, name);
      return { name, blobs: [name] };
    },
  },
];

async function pushContents(name: string, ...contents: string[]): Promise<void> {
  for (const content of contents) await pushBlob(name, content);
}

const manifests: Scenario[] = [
  {
    title: "a manifest with several tags, and one that moves",
    async prepare(id) {
      await pushImage(`image${id}`, "latest", `config ${id}`, [`layer ${id}`]);
      return "";
    },
    async play(client, id) {
      const name = `image${id}`;
      const image = imageOf(`config ${id}`, [`layer ${id}`], { annotations: { number: "2" } });
      await client.putManifest(name, `latest?tag=two&tag=three`, image);
      for (const tag of ["latest", "two", "three"]) {
        await client.expectText("GET", `/v2/${name}/manifests/${tag}`, JSON.stringify(image));
      }
      return { name, blobs: [`config ${id}`, `layer ${id}`], manifests: [image] };
    },
  },
  {
    title: "an index, a sparse one, and a referrer",
    async prepare(id) {
      await pushImage(`index${id}`, "child", `config ${id}`, []);
      return "";
    },
    async play(client, id) {
      setVariables({ ALLOW_SPARSE_INDEXES: "true" });
      const name = `index${id}`;
      const child = imageOf(`config ${id}`, []);
      const index = indexOf([child]);
      const sparse = indexOf([child, imageOf("absent", [])]);
      const referrer = imageOf(`config ${id}`, [], { subject: manifestDescriptor(index) });
      await client.putManifest(name, "index", index);
      await client.putManifest(name, "sparse", sparse);
      await client.putManifest(name, digestOfManifest(referrer), referrer);
      return { name, blobs: [`config ${id}`], manifests: [child, index, sparse, referrer] };
    },
  },
  {
    title: "a manifest that is an object, pushed twice",
    async prepare(id) {
      await pushContents(`large${id}`, `config ${id}`);
      return "";
    },
    async play(client, id) {
      const name = `large${id}`;
      const image = imageOf(`config ${id}`, [], PADDING);
      for (const tag of ["one", "two"]) await client.putManifest(name, tag, image);
      await client.expectText("GET", `/v2/${name}/manifests/one`, JSON.stringify(image));
      return { name, blobs: [`config ${id}`], manifests: [image] };
    },
  },
  {
    title: "a manifest whose object has gone, found missing and pushed again",
    async prepare(id) {
      const digest = await pushImage(`lost${id}`, "latest", `config ${id}`, [], PADDING);
      await loseObject("manifests", digest);
      return digest;
    },
    async play(client, id) {
      const name = `lost${id}`;
      const path = `/v2/${name}/manifests/latest`;
      const image = imageOf(`config ${id}`, [], PADDING);
      for (const method of ["GET", "HEAD"]) await client.ask({ method, path, expected: [404] });
      await client.putManifest(name, "latest", image);
      await client.expectText("GET", path, JSON.stringify(image));
      return { name, blobs: [`config ${id}`], manifests: [image] };
    },
  },
  {
    title: "a manifest that names what is not there",
    changesNothing: true,
    async prepare(id) {
      await pushContents(`refused${id}`, `config ${id}`);
      return "";
    },
    async play(client, id) {
      const name = `refused${id}`;
      await client.putManifest(name, "latest", imageOf(`config ${id}`, ["not there"]), [400]);
      return { name, blobs: [`config ${id}`] };
    },
  },
];

const reading: Scenario[] = [
  {
    title: "a pull",
    changesNothing: true,
    async prepare(id) {
      const name = `pull${id}`;
      const digest = await pushImage(name, "latest", `config ${id}`, [`layer ${id}`]);
      const subject = manifestDescriptor(imageOf(`config ${id}`, [`layer ${id}`]));
      const annotations = { text: "y".repeat(5000) };
      await pushImage(name, null, `config ${id}`, [], { subject, annotations, artifactType: "a/b" });
      await pushImage(name, "large", `config ${id}`, [], PADDING);
      return digest;
    },
    async play(client, id, digest) {
      const name = `pull${id}`;
      // A HEAD refreshes what is old, and a pull is noted once a day.
      await age(0.5);
      await forgetPulls();
      const image = imageOf(`config ${id}`, [`layer ${id}`]);
      const text = JSON.stringify(image);
      const blob = `/v2/${name}/blobs/${sha256(`layer ${id}`)}`;
      for (const reference of ["latest", digest]) {
        const path = `/v2/${name}/manifests/${reference}`;
        await client.ask({ method: "HEAD", path, expected: [200] });
        await client.expectText("GET", path, text);
      }
      await client.expectText(
        "GET",
        `/v2/${name}/manifests/large`,
        JSON.stringify(imageOf(`config ${id}`, [], PADDING)),
      );
      await client.ask({ method: "HEAD", path: blob, expected: [200] });
      await client.expectText("GET", blob, `layer ${id}`);
      await client.expectText("GET", blob, "ayer", { Range: "bytes=1-4" });
      const tags = await client.ask({ method: "GET", path: `/v2/${name}/tags/list`, expected: [200] });
      if (!(await tags.text()).includes("latest")) client.complain("the list of tags lacks one");
      await client.ask({ method: "GET", path: "/v2/_catalog", expected: [200] });
      for (const query of ["", "?artifactType=a/b"]) {
        const path = `/v2/${name}/referrers/${digest}${query}`;
        const referrers = await client.ask({ method: "GET", path, expected: [200] });
        if (!(await referrers.text()).includes("yyyyy")) client.complain("the list of referrers lacks one");
      }
      return { name, blobs: [`layer ${id}`], manifests: [image] };
    },
  },
  {
    title: "a token, and the key that signs it",
    async prepare() {
      await env.DB.prepare("DELETE FROM signing_keys").run();
      return "";
    },
    async play(client, id) {
      setVariables({ PUBLIC_REPOSITORIES: "public/**" });
      await client.ask({ method: "GET", path: "/v2/token?service=registry.test", expected: [200] });
      return { name: `token${id}` };
    },
  },
];

const deleting: Scenario[] = [
  {
    title: "deletions of a tag, a manifest and a blob",
    async prepare(id) {
      const name = `delete${id}`;
      await pushImage(name, "keep", `config ${id}`, []);
      await pushBlob(name, `loose ${id}`);
      return pushImage(name, "latest", `config ${id}`, [`layer ${id}`], PADDING);
    },
    async play(client, id, digest) {
      const name = `delete${id}`;
      const kept = imageOf(`config ${id}`, []);
      for (const [path, status] of [
        ["manifests/latest", 202],
        [`manifests/${digest}`, 202],
        [`blobs/${sha256(`loose ${id}`)}`, 202],
        [`blobs/${sha256(`config ${id}`)}`, 405],
      ] as const) {
        const url = `/v2/${name}/${path}`;
        const repeated = status === 202 ? [202, 404] : [405];
        await client.ask({ method: "DELETE", path: url, expected: [status], repeated });
        if (status === 202) await client.ask({ method: "GET", path: url, expected: [404] });
      }
      return { name, blobs: [`config ${id}`], manifests: [kept] };
    },
  },
  {
    title: "a policy, and what it refuses",
    async prepare(id) {
      for (const layer of ["one", "two"]) await pushBlob(`policy${id}`, `${layer} ${id}`);
      return pushBlob(`policy${id}`, `config ${id}`);
    },
    async play(client, id) {
      const name = `policy${id}`;
      const [one, two] = ["one", "two"].map((layer) => imageOf(`config ${id}`, [`${layer} ${id}`])) as [
        object,
        object,
      ];
      const rule = { kind: "immutable", repositories: [name], tags: ["*"], except: ["latest"] };
      const manifest = (method: string, reference: string, status: number, body?: object) => {
        const path = `/v2/${name}/manifests/${reference}`;
        const repeated = method === "DELETE" && status === 202 ? [202, 404] : [status];
        const init = () => (body === undefined ? {} : { body: JSON.stringify(body), headers: MANIFEST });
        return client.ask({ method, path, init, expected: [status], repeated });
      };
      const path = `/v2/_berth/policies/${name}`;
      await client.ask({
        method: "PUT",
        path,
        init: () => ({ body: JSON.stringify(rule) }),
        expected: [200],
      });
      await manifest("PUT", "v1", 201, one);
      await manifest("PUT", "v1", 409, two);
      await manifest("DELETE", "v1", 409);
      await manifest("DELETE", digestOfManifest(one), 409);
      await manifest("PUT", "latest", 201, two);
      await manifest("DELETE", digestOfManifest(two), 202);
      await client.ask({ method: "GET", path: "/v2/_berth/policies", expected: [200] });
      await client.ask({ method: "DELETE", path, expected: [204], repeated: [204, 404] });
      return { name, blobs: [`config ${id}`], manifests: [one] };
    },
  },
];

const quotas: Scenario[] = [
  {
    title: "a quota, and what it refuses",
    async prepare(id) {
      await pushContents(`quota${id}`, `config ${id}`);
      await pushContents(`quota${id}-source`, `mounted ${id}`);
      return "";
    },
    async play(client, id) {
      const name = `quota${id}`;
      const config = `config ${id}`;
      const setTo = (allowed: number) =>
        client.ask({
          method: "PUT",
          path: `/v2/_berth/quotas/${name}`,
          init: () => ({ body: JSON.stringify({ repositories: name, allowed }) }),
          expected: [200],
        });
      const send = (method: string, path: string, body: string | null, repeated = [403]) =>
        client.ask({ method, path, init: () => ({ body }), expected: [403], repeated });
      const uploads = `/v2/${name}/blobs/uploads/`;
      await setTo(config.length + 3);
      const [known, sudden] = [await client.startUpload(name), await client.startUpload(name)];
      await send("POST", `${uploads}?digest=${sha256("1234")}`, "1234");
      // The session has gone with the answer that was lost.
      await send("PUT", `${known}?digest=${sha256("1234")}`, "1234", [403, 404]);
      await setTo(config.length);
      // There was room when it began: only the commit can tell.
      await send("PUT", `${sudden}?digest=${sha256("123")}`, "123", [403, 404]);
      await send("POST", uploads, null);
      await send("POST", `${uploads}?mount=${sha256(`mounted ${id}`)}&from=${name}-source`, null);
      await client.putManifest(name, "latest", imageOf(config, []), [403]);
      for (const what of ["quotas", "usage"])
        await client.ask({ method: "GET", path: `/v2/_berth/${what}`, expected: [200] });
      await client.ask({
        ...{ method: "DELETE", path: `/v2/_berth/quotas/${name}`, expected: [204], repeated: [204, 404] },
      });
      return { name, blobs: [config] };
    },
  },
];

const MANIFEST = { "Content-Type": "application/vnd.oci.image.manifest.v1+json" };

const POLICIES = { UNTAGGED_MANIFESTS: "1d", DELETE_DANGLING_REFERRERS: "true", DELETED_BYTES_KEPT: "0" };

/** Something of every kind that a run takes, and something that stays. */
async function fillWithGarbage(id: string): Promise<void> {
  // The run makes the bucket its own.
  await bucket.delete("registry/identity");
  await pushImage(`kept${id}`, "latest", `kept config ${id}`, [`kept layer ${id}`]);
  // Untagged, an object, with what only it names; and who refers to it.
  const old = imageOf(`old config ${id}`, [`old layer ${id}`], PADDING);
  await pushImage(`old${id}`, null, `old config ${id}`, [`old layer ${id}`], PADDING);
  await putManifest(
    `old${id}`,
    digestOfManifest(imageOf(`old config ${id}`, [], { subject: manifestDescriptor(old) })),
    imageOf(`old config ${id}`, [], { subject: manifestDescriptor(old) }),
  );
  // A link, a blob without one, a repository of nothing, and an object that no row names.
  await pushBlob(`loose${id}`, `loose ${id}`);
  await pushBlob(`unlinked${id}`, `unlinked ${id}`);
  await request("DELETE", `/v2/unlinked${id}/blobs/${sha256(`unlinked ${id}`)}`);
  await bucket.put(`blobs/orphan${id}`, "orphan");
  // An event that was kept for long enough.
  await env.DB.prepare(
    "INSERT INTO audit_events (id, at, action, outcome) VALUES (?1, 1, 'log-in', 'failed')",
  )
    .bind(`old${id}`)
    .run();
  // Doomed before.
  await bucket.put(`blobs/doomed${id}`, "doomed");
  await env.DB.prepare("INSERT INTO doomed_objects (object_key, bytes, doomed_at) VALUES (?1, 6, 1)")
    .bind(`blobs/doomed${id}`)
    .run();
}

/**
 * Time passes during a run, so that its lease is prolonged: little by little, as no call is repeated that took long.
 * @param days how late it is now
 */
function takeLong(days: number): void {
  let seconds = 0;
  for (const call of ["BUCKET.get", "BUCKET.delete", "BUCKET.list"]) {
    interleave(call, async () => {
      seconds += 8;
      setDaysAhead(days + seconds / 86_400);
    });
  }
}

const collecting: Scenario[] = [
  {
    title: "a collection of garbage of every kind",
    wait: 3,
    async prepare(id) {
      setVariables(POLICIES);
      await fillWithGarbage(id);
      return "";
    },
    async play(client, id) {
      setVariables(POLICIES);
      takeLong(3);
      const logged = client.log.length;
      // The run that holds the lease may be one whose beginning was not heard of.
      const response = await client.ask({
        // By force: what failed plays leave behind would make the run suspicious.
        ...{ method: "POST", path: "/v2/_berth/gc?force=true", expected: [200], repeated: [200, 429] },
      });
      const { outcome } = (await response.json()) as { outcome?: string };
      if (outcome === "failed") {
        client.refusals++;
        const lines = client.log.slice(logged);
        if (!lines.some((line) => line.includes('"garbage-collection"') && line.includes('"failed"'))) {
          client.complain("a run failed, and the log does not say so");
        }
      }
      await env.DB.prepare("UPDATE gc_state SET lease_expires_at = 1").run();
      return {
        name: `kept${id}`,
        blobs: [`kept layer ${id}`],
        manifests: [imageOf(`kept config ${id}`, [`kept layer ${id}`])],
      };
    },
  },
  {
    title: "a dry run, and the list of runs",
    changesNothing: true,
    wait: 3,
    async prepare(id) {
      setVariables(POLICIES);
      await fillWithGarbage(id);
      return "";
    },
    async play(client, id) {
      setVariables(POLICIES);
      const path = "/v2/_berth/gc?dry-run=true";
      const response = await client.ask({ method: "POST", path, expected: [200] });
      if (((await response.json()) as { outcome: string }).outcome === "failed") client.refusals++;
      await client.ask({ method: "GET", path: "/v2/_berth/gc", expected: [200] });
      return { name: `kept${id}`, blobs: [`kept layer ${id}`] };
    },
  },
];

export const SCENARIOS = [...uploads, ...manifests, ...reading, ...deleting, ...quotas, ...collecting];

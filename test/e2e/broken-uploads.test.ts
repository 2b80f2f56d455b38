/** Uploads that break off anywhere go on from the byte that the registry reports. */

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { closeUpload, hashBlob, patchUpload, sha256, startUpload, uploadOffset } from "./support/api.ts";
import { send } from "./support/login.ts";
import { type BrokenUpload, breakOff } from "./support/raw.ts";
import { host, itLeavesACleanLog } from "./support/shared.ts";

const SIZE = 20_000_003;
/** More than a part, and no multiple of anything. */
const SENT = 13_000_001;
const port = Number(host.split(":")[1]);
const name = "uploads/broken";

type Break = Pick<BrokenUpload, "method" | "framing" | "ending" | "pause">;

/** Breaks an upload off after SENT of its bytes. */
async function beginAndBreak(body: Uint8Array<ArrayBuffer>, how: Break): Promise<string> {
  const location = await startUpload(host, name);
  const target = how.method === "PUT" ? `${location}?digest=${sha256(body)}` : location;
  await breakOff({ port, target, body, sent: SENT, ...how });
  return location;
}

/** Sends the rest of an upload, and has the registry show that it is whole. */
async function goOn(location: string, body: Uint8Array<ArrayBuffer>, offset: number): Promise<void> {
  const digest = sha256(body);
  await patchUpload(host, location, body.subarray(offset), offset);
  await closeUpload(host, location, digest);
  expect(await hashBlob(host, name, digest)).toEqual({ digest, size: body.byteLength });
}

/** What is on its way when a client goes may still arrive behind its next question: ask until the answer stands. */
async function settled(location: string): Promise<void> {
  let before = -1;
  for (
    let now = await uploadOffset(host, location);
    now !== before;
    now = await uploadOffset(host, location)
  ) {
    before = now;
    await sleep(200);
  }
}

describe("an upload whose connection breaks", () => {
  for (const framing of ["chunked", "Content-Length"] as const) {
    for (const ending of ["closed", "reset"] as const) {
      it(`keeps every byte that arrived: PATCH, ${framing}, connection ${ending}`, async () => {
        const body = randomBytes(SIZE);
        const location = await beginAndBreak(body, { method: "PATCH", framing, ending, pause: 1000 });
        const offset = await uploadOffset(host, location);
        expect(offset).toBe(SENT);
        await goOn(location, body, offset);
      });

      it(`knows how many bytes it has when some were lost: PATCH, ${framing}, connection ${ending}`, async () => {
        const body = randomBytes(SIZE);
        const location = await beginAndBreak(body, { method: "PATCH", framing, ending, pause: 0 });
        const offset = await uploadOffset(host, location);
        expect(offset).toBeLessThanOrEqual(SENT);
        await goOn(location, body, offset);
      });
    }
  }

  it("keeps every byte that arrived of a closing PUT of unknown length", async () => {
    const body = randomBytes(SIZE);
    const how = { method: "PUT", framing: "chunked", ending: "closed", pause: 1000 } as const;
    const location = await beginAndBreak(body, how);
    const offset = await uploadOffset(host, location);
    expect(offset).toBe(SENT);
    await goOn(location, body, offset);
  });

  it("begins again at 0 after a closing PUT with the whole blob, which goes straight to R2", async () => {
    const body = randomBytes(SIZE);
    const how = { method: "PUT", framing: "Content-Length", ending: "reset", pause: 200 } as const;
    const location = await beginAndBreak(body, how);
    expect(await uploadOffset(host, location)).toBe(0);

    const digest = sha256(body);
    const again = await send(`http://${host}${location}?digest=${digest}`, { method: "PUT", body });
    expect(again.status).toBe(201);
    expect(await hashBlob(host, name, digest)).toEqual({ digest, size: SIZE });
  });

  it("breaks again and again, and still ends with the same bytes", async () => {
    const body = randomBytes(SIZE);
    const location = await startUpload(host, name);
    let offset = 0;
    for (const ending of ["reset", "closed", "reset", "closed", "reset"] as const) {
      const rest = body.subarray(offset);
      await breakOff({
        ...{ port, target: location, method: "PATCH", framing: "chunked" },
        ...{ body: rest, sent: Math.floor(rest.byteLength / 3), pause: 100, ending },
      });
      const next = await uploadOffset(host, location);
      expect(next).toBeGreaterThanOrEqual(offset);
      offset = next;
    }
    expect(offset).toBeGreaterThan(0);
    await goOn(location, body, offset);
  });
});

describe("a closing PUT of unknown length whose connection is reset at once", () => {
  it("takes nothing with it that was acknowledged before", async () => {
    const body = randomBytes(SIZE);
    const location = await startUpload(host, name);
    await patchUpload(host, location, body.subarray(0, 1_000_000), 0);
    const target = `${location}?digest=${sha256(body)}`;
    const rest = body.subarray(1_000_000);
    await breakOff({
      port,
      target,
      method: "PUT",
      framing: "chunked",
      body: rest,
      sent: 500_000,
      pause: 0,
      ending: "reset",
    });
    await settled(location);
    const offset = await uploadOffset(host, location);
    expect(offset).toBeGreaterThanOrEqual(1_000_000);
    await goOn(location, body, offset);
  });
});

describe("a chunk that is refused", () => {
  it.each(["out of order", "of an unknown session"])("%s is answered, however large it is", async (why) => {
    const location =
      why === "out of order"
        ? await startUpload(host, name)
        : `/v2/${name}/blobs/uploads/${crypto.randomUUID()}`;
    const body = randomBytes(48 * 1024 ** 2);
    for (let time = 0; time < 3; time++) {
      const response = await send(`http://${host}${location}`, {
        method: "PATCH",
        body,
        headers: { "Content-Range": `5-${body.byteLength + 4}` },
      });
      expect(response.status).toBe(why === "out of order" ? 416 : 404);
      await response.text();
    }
  });
});

describe("clients that abort", () => {
  it("lose nothing that was acknowledged, and nobody else's upload suffers", async () => {
    const bodies = Array.from({ length: 8 }, () => randomBytes(5_000_000));
    await Promise.all(
      bodies.map(async (body, index) => {
        const location = await startUpload(host, name);
        await patchUpload(host, location, body.subarray(0, 1_000_000), 0);
        // Every other client goes away; how far its chunk has come by then is up to chance.
        const abort = new AbortController();
        const chunk = send(`http://${host}${location}`, {
          method: "PATCH",
          body: body.subarray(1_000_000, 4_000_000),
          signal: abort.signal,
        });
        if (index % 2 === 0) {
          await sleep(index * 3);
          abort.abort();
        }
        await chunk.catch(() => {});

        await settled(location);
        const offset = await uploadOffset(host, location);
        expect(offset).toBeGreaterThanOrEqual(index % 2 === 0 ? 1_000_000 : 4_000_000);
        await goOn(location, body, offset);
      }),
    );
  });

  itLeavesACleanLog();
});

/** What a registry here cannot be faster than: hello, and bytes straight into R2 and out of it, with no hash and no database. */

interface Bucket {
  put(key: string, body: ReadableStream): Promise<unknown>;
  get(key: string, options: { range?: Headers }): Promise<{ body: ReadableStream } | null>;
  createMultipartUpload(key: string): Promise<Multipart>;
}

interface Multipart {
  uploadPart(number: number, bytes: Uint8Array): Promise<unknown>;
  complete(parts: unknown[]): Promise<unknown>;
}

interface Env {
  BUCKET: Bucket;
}

/** The registry's own. Bytes. */
const PART = 8 * 1024 * 1024;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/") return new Response("hello");
    if (request.method === "GET") return get(env.BUCKET, pathname, request.headers);
    if (request.body === null) return new Response(null, { status: 400 });
    if (searchParams.has("parts")) await putParts(env.BUCKET, pathname, request.body);
    else await env.BUCKET.put(pathname, request.body);
    return new Response(null, { status: 201 });
  },
};

async function get(bucket: Bucket, key: string, headers: Headers): Promise<Response> {
  const ranged = headers.has("Range");
  const object = await bucket.get(key, ranged ? { range: headers } : {});
  return object === null
    ? new Response(null, { status: 404 })
    : new Response(object.body, { status: ranged ? 206 : 200 });
}

/** One part is on its way while the next one fills, as in the registry. */
async function putParts(bucket: Bucket, key: string, body: ReadableStream): Promise<void> {
  const upload = await bucket.createMultipartUpload(key);
  const parts: unknown[] = [];
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(64 * 1024);
  let part = new Uint8Array(PART);
  let length = 0;
  let sending: Promise<unknown> = Promise.resolve();
  const send = async () => {
    await sending;
    const number = parts.length + 1;
    parts.push(null);
    const bytes = part.subarray(0, length);
    sending = upload.uploadPart(number, bytes).then((sent) => {
      parts[number - 1] = sent;
    });
    part = new Uint8Array(PART);
    length = 0;
  };
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) break;
    buffer = value.buffer as ArrayBuffer;
    const fits = value.subarray(0, PART - length);
    part.set(fits, length);
    length += fits.byteLength;
    if (length < PART) continue;
    await send();
    part.set(value.subarray(fits.byteLength));
    length = value.byteLength - fits.byteLength;
  }
  if (length > 0) await send();
  await sending;
  await upload.complete(parts);
}

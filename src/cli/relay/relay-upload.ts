/** Uploads through the relay: one body from the client becomes chunks upstream. */

import type { OutgoingHttpHeaders } from "node:http";
import { parseContentRange } from "../../oci/range.ts";
import { type Answer, ask } from "../http/exchange.ts";
import { UPLOAD_PAUSES } from "../http/retry.ts";
import { type ChunkPlan, planChunks } from "../upload/chunk-plan.ts";
import { ChunkUploader, type Send } from "../upload/chunk-uploader.ts";
import { chunkLimitsOf, locationOf, withoutDigest } from "../upload/session.ts";
import { type Exchange, passOn, reply } from "./answer.ts";
import { answerHeaders, uploadHeaders } from "./headers.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import { rememberWholeBody, type Upstream, upstreamUrl } from "./upstream.ts";

export interface RelaySettings {
  /** Bytes. */
  chunk: number;
  /** The largest request body that gets through to upstream. Bytes. */
  maxBody: number;
  /** Milliseconds, before each new try of a chunk. */
  pauses?: readonly number[];
  log: (line: string) => void;
  /** What the relay was told to listen on: by that it may be called, too. */
  name?: string;
}

/** An upload request of the client's, read as far as its head. */
export interface Upload {
  exchange: Exchange;
  upstream: Upstream;
  settings: RelaySettings;
  /** The repository's name, as it stands in the path. */
  name: string;
  /** Its path and query, at upstream, without the digest. */
  url: URL;
  /** Bytes of the body; null when the client does not know. */
  length: number | null;
  /** Where the client says that its body belongs; null when it does not. */
  start: number | null;
  plan: ChunkPlan;
}

/** @throws RegistryError for a malformed Content-Range */
export function readUpload(
  exchange: Exchange,
  upstream: Upstream,
  settings: RelaySettings,
  name: string,
): Upload {
  const { headers, url = "/" } = exchange.request;
  const isUnknown = headers["transfer-encoding"] !== undefined;
  return {
    exchange,
    upstream,
    settings,
    name,
    url: withoutDigest(upstreamUrl(upstream, url)),
    length: isUnknown ? null : Number(headers["content-length"] ?? 0),
    start: parseContentRange(headers["content-range"] as string | undefined)?.offset ?? null,
    plan: planChunks(settings.chunk, settings.maxBody, upstream.limits),
  };
}

/** end-5: the client's chunk, usually the whole layer, becomes as many as it takes. */
export async function relayPatch(upload: Upload): Promise<void> {
  const uploader = createUploader(upload, upload.url);
  await uploader.readStatus();
  const { offset } = uploader.session;
  if (upload.start !== null && upload.start !== offset) return replyProgress(upload, uploader, 416);
  await uploader.sendAll(bodyOf(upload, offset));
  replyProgress(upload, uploader, 202);
}

/** end-6: the last bytes, all of them, or none; then the blob is closed. */
export async function relayPut(upload: Upload, digest: string): Promise<void> {
  const { upstream, url, length, start } = upload;
  const uploader = createUploader(upload, url);
  if (length === 0) return close(upload, uploader, digest);
  await uploader.readStatus();
  const { offset } = uploader.session;
  if (start !== null && start !== offset) return replyProgress(upload, uploader, 416);
  if (offset === 0) rememberWholeBody(upstream, url.pathname);
  const body = bodyOf(upload, upstream.wholeBodies.has(url.pathname) ? 0 : offset);
  body.release(offset);
  await sendAndClose(upload, uploader, digest, body);
}

/** end-4b: the whole blob with the POST. Upstream gets a session instead. */
export async function relayPost(upload: Upload, digest: string): Promise<void> {
  const { upstream, exchange, url } = upload;
  const began = await sendFor(upload)({ method: "POST", url, headers: { "content-length": 0 } });
  const location = locationOf(began, url);
  if (began.status !== 202 || location === null) return passOn(exchange, began, url);
  upstream.limits = chunkLimitsOf(began);
  await sendAndClose(upload, createUploader(upload, location), digest, bodyOf(upload, 0));
}

async function sendAndClose(upload: Upload, uploader: ChunkUploader, digest: string, source: ReplayBuffer) {
  const { length, plan } = upload;
  if (uploader.session.offset === 0 && length !== null && length <= plan.size) {
    return close(upload, uploader, digest, { source, length });
  }
  await uploader.sendAll(source);
  await close(upload, uploader, digest);
}

async function close(
  upload: Upload,
  uploader: ChunkUploader,
  digest: string,
  whole?: { source: ReplayBuffer; length: number },
): Promise<void> {
  const { exchange, upstream, name, url } = upload;
  const path = `/v2/${name}/blobs/${digest}`;
  const blobExists = async () => {
    const answer = await sendFor(upload)({ method: "HEAD", url: upstreamUrl(upstream, path) });
    return answer.status === 200;
  };
  const answer = await uploader.close(digest, blobExists, whole);
  if (answer !== null) return passOn(exchange, answer, url);
  reply(exchange, 201, { location: path, "docker-content-digest": digest, "content-length": 0 });
}

function bodyOf({ exchange, length, plan }: Upload, offset: number): ReplayBuffer {
  return new ReplayBuffer({ stream: exchange.request, length, offset }, plan.size);
}

/** Where upstream stands, in the words of its last answer. */
function replyProgress({ exchange, url }: Upload, uploader: ChunkUploader, status: 202 | 416): void {
  const { lastAnswer, session } = uploader;
  const headers: OutgoingHttpHeaders = {
    ...answerHeaders(lastAnswer?.rawHeaders ?? [], url),
    location: session.location.pathname + session.location.search,
    // docker takes the layer's size from here. Nothing yet is 0-0, too.
    range: `0-${Math.max(session.offset - 1, 0)}`,
    "content-length": 0,
  };
  delete headers["content-type"];
  reply(exchange, status, headers);
}

function createUploader(upload: Upload, location: URL): ChunkUploader {
  const { plan, settings, name } = upload;
  return new ChunkUploader(
    sendFor(upload),
    { location, offset: 0 },
    {
      plan,
      pauses: settings.pauses ?? UPLOAD_PAUSES,
      onPause: (pause, reason) => {
        settings.log(`${name}: ${reason}; trying again in ${pause / 1000} s`);
      },
    },
  );
}

/** Requests of this upload carry the headers that the client sent with it: its credentials above all. */
function sendFor({ exchange, upstream }: Upload): Send {
  const own = uploadHeaders(exchange.request.rawHeaders);
  return (request): Promise<Answer> => {
    // A session somewhere else is none of the client's credentials' business.
    const headers = request.url.origin === upstream.origin.origin ? own : {};
    return ask(upstream.agents, { ...request, headers: { ...headers, ...request.headers } });
  };
}

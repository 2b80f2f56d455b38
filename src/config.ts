/** The Worker's variables as typed settings. A wrong one fails loudly, at the first request. */

import { type Glob, parseGlob } from "./oci/globs.ts";
import type { Links } from "./storage/objects/objects.ts";
import { openObjects } from "./storage/objects/open.ts";
import type { R2Secrets } from "./storage/objects/r2.ts";
import { readPlacement } from "./storage/placement.ts";

/** Who signs in elsewhere. */
export interface Oidc {
  /** As they stand in the tokens' `iss`. */
  issuers: string[];
  /** Any of these has to be in the tokens' `aud`. */
  audiences: string[];
  /** How long a token lives that is given for one of an issuer. Milliseconds. */
  tokenLifetime: number;
}

/** Where clients are sent for large blobs: the store itself. */
export interface Redirect {
  /** The smallest blob. Bytes. */
  from: number;
  links: Links;
}

/** Secrets, which are no variables of wrangler.toml: absent until they are put. */
interface Secrets extends R2Secrets {
  TOKEN_SECRET?: string;
  METRICS_TOKEN?: string;
}

export interface Settings {
  /** Null when tokens of no issuer are accepted. */
  oidc: Oidc | null;
  /** Whether plain HTTP is taken from other machines than this. */
  allowHttp: boolean;
  /** How long a machine token may live; null for ever. Milliseconds. */
  maxTokenLifetime: number | null;
  /** What signs tokens, the newest first; none when the database's keys do. */
  tokenSecrets: string[];
  /** Repositories that anybody may pull from. */
  publicRepositories: Glob[];
  /** Whether blobs are read through Cloudflare's cache. */
  edgeCache: boolean;
  /** Null when all bytes come through the registry. */
  redirect: Redirect | null;
  /** Whether a replica of the database may say what a manifest's digest is. */
  readReplicas: boolean;
  allowDelete: boolean;
  allowSparseIndexes: boolean;
  /** How long an unreferenced blob is safe from collection. Milliseconds. */
  gracePeriod: number;
  /** How long an untagged manifest stays; null keeps it for ever. Milliseconds. */
  untaggedManifests: number | null;
  /** Whether referrers go when their subject has gone. */
  deleteDanglingReferrers: boolean;
  /** How long the bytes of what was deleted are kept. Milliseconds. */
  deletedBytesKept: number;
  /** Age at which an R2 object that no row names is an orphan. Milliseconds. */
  orphanAge: number;
  /** How long events of the audit trail are kept; null for ever. Milliseconds. */
  auditKept: number | null;
  /** How long an upload session may lie idle. Milliseconds. */
  uploadExpiry: number;
  /** How many upload sessions one user may have open. */
  maxUploadsPerUser: number;
  /** How many upload sessions there may be. */
  maxUploads: number;
  /** The largest request body that the edge lets through. Bytes. */
  maxChunk: number;
  /** How large the database may become. Bytes. */
  databaseLimit: number;
  /** How long an isolate keeps what it has counted before it is added to the metrics; null counts nothing. Milliseconds. */
  metricsEvery: number | null;
  /** What Prometheus may show in the place of an administrator's password; null for nothing. */
  metricsToken: string | null;
  /** Why nothing may be pushed or deleted now; null when it may. */
  readOnly: string | null;
}

/** @throws Error naming the variable that makes no sense */
export function readSettings(env: Env & Secrets): Settings {
  // What it says of stores and databases is for these to read; here it fails loudly.
  const { links } = openObjects(env);
  readPlacement(env);
  return {
    allowHttp: flag("ALLOW_HTTP", env.ALLOW_HTTP),
    maxTokenLifetime: maxTokenLifetime(env),
    oidc: oidc(env),
    tokenSecrets: tokenSecrets(env.TOKEN_SECRET ?? ""),
    publicRepositories: globs("PUBLIC_REPOSITORIES", env.PUBLIC_REPOSITORIES),
    edgeCache: flag("EDGE_CACHE", env.EDGE_CACHE),
    redirect: redirect(env, links),
    readReplicas: flag("READ_REPLICAS", env.READ_REPLICAS),
    allowDelete: flag("ALLOW_DELETE", env.ALLOW_DELETE),
    allowSparseIndexes: flag("ALLOW_SPARSE_INDEXES", env.ALLOW_SPARSE_INDEXES),
    gracePeriod: duration("GRACE_PERIOD", env.GRACE_PERIOD),
    untaggedManifests: untaggedManifests(env),
    deleteDanglingReferrers: flag("DELETE_DANGLING_REFERRERS", env.DELETE_DANGLING_REFERRERS),
    deletedBytesKept:
      env.DELETED_BYTES_KEPT === "0" ? 0 : duration("DELETED_BYTES_KEPT", env.DELETED_BYTES_KEPT),
    orphanAge: orphanAge(env),
    auditKept: env.AUDIT_KEPT === "keep" ? null : duration("AUDIT_KEPT", env.AUDIT_KEPT),
    uploadExpiry: duration("UPLOAD_EXPIRY", env.UPLOAD_EXPIRY),
    maxUploadsPerUser: count("MAX_UPLOADS_PER_USER", env.MAX_UPLOADS_PER_USER),
    maxUploads: count("MAX_UPLOADS", env.MAX_UPLOADS),
    maxChunk: bytes("MAX_CHUNK", env.MAX_CHUNK),
    databaseLimit: bytes("DATABASE_LIMIT", env.DATABASE_LIMIT),
    metricsEvery: metricsEvery(env),
    metricsToken: metricsToken(env.METRICS_TOKEN ?? ""),
    readOnly: env.READ_ONLY.trim() === "" ? null : env.READ_ONLY.trim(),
  };
}

function redirect(env: Env & Secrets, links: Links | null): Redirect | null {
  if (env.REDIRECT_BLOBS_FROM === "never") return null;
  const from = bytes("REDIRECT_BLOBS_FROM", env.REDIRECT_BLOBS_FROM);
  if (env.STORE === "r2") checkR2Endpoint(env);
  if (links !== null) return { from, links };
  throw new Error(
    `REDIRECT_BLOBS_FROM needs links, which STORE=${env.STORE} cannot sign: on Azure put the account's key, not STORE_SAS`,
  );
}

function checkR2Endpoint({
  R2_S3_ENDPOINT: url,
  R2_ACCESS_KEY_ID,
  R2_SECRET_ACCESS_KEY,
}: Env & Secrets): void {
  const { pathname = "/", username = "" } = HTTPS.test(url) && URL.canParse(url) ? new URL(url) : {};
  if (pathname.endsWith("/") || username !== "")
    throw wrong("R2_S3_ENDPOINT", url, '"https://<account>.r2.cloudflarestorage.com/<bucket>"');
  if (!R2_ACCESS_KEY_ID || !R2_SECRET_ACCESS_KEY)
    throw new Error(
      "the secrets R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY must be put for REDIRECT_BLOBS_FROM",
    );
}

function tokenSecrets(value: string): string[] {
  const secrets = value
    .split(",")
    .map((secret) => secret.trim())
    .filter((secret) => secret !== "");
  if (secrets.every((secret) => secret.length >= 32)) return secrets;
  throw new Error("the setting TOKEN_SECRET must have at least 32 characters");
}

/** Work goes on for 30 seconds behind an answer. */
const MAX_METRICS_EVERY = 25_000;

function metricsEvery(env: Env): number | null {
  if (env.METRICS_EVERY === "off") return null;
  const every = duration("METRICS_EVERY", env.METRICS_EVERY);
  if (every <= MAX_METRICS_EVERY) return every;
  throw wrong("METRICS_EVERY", env.METRICS_EVERY, '"off", or a duration of at most "25s"');
}

function metricsToken(value: string): string | null {
  if (value === "" || value.length >= 32) return value || null;
  throw new Error("the setting METRICS_TOKEN must have at least 32 characters");
}

function globs(name: string, value: string): Glob[] {
  return words(value).map((pattern) => {
    const glob = parseGlob(pattern);
    if (glob === null) throw wrong(name, value, 'globs like "library/** team/tools"');
    return glob;
  });
}

function flag(name: string, value: string): boolean {
  if (value === "true") return true;
  if (value === "false") return false;
  throw wrong(name, value, '"true" or "false"');
}

const UNITS_OF_TIME = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function duration(name: string, value: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(value);
  if (match === null) throw wrong(name, value, 'a duration like "24h" (s, m, h, d)');
  const milliseconds = Number(match[1]) * UNITS_OF_TIME[match[2] as keyof typeof UNITS_OF_TIME];
  if (milliseconds === 0) throw wrong(name, value, "a duration above zero");
  return milliseconds;
}

function oidc(env: Env): Oidc | null {
  const issuers = words(env.OIDC_ISSUERS);
  const audiences = words(env.OIDC_AUDIENCE);
  const tokenLifetime = duration("OIDC_TOKEN_LIFETIME", env.OIDC_TOKEN_LIFETIME);
  if (issuers.length === 0) return null;
  if (!issuers.every((issuer) => HTTPS.test(issuer) && URL.canParse(issuer)))
    throw wrong("OIDC_ISSUERS", env.OIDC_ISSUERS, "URLs with https, as they stand in the tokens' iss");
  // Without one, a token that was made for any other service would do.
  if (audiences.length === 0) throw wrong("OIDC_AUDIENCE", env.OIDC_AUDIENCE, "set beside OIDC_ISSUERS");
  return { issuers, audiences, tokenLifetime };
}

/** Without TLS only on this machine, for tests. */
const HTTPS = /^(https:\/\/|http:\/\/(localhost|127\.0\.0\.1)[:/])[^?#]*$/;

function words(value: string): string[] {
  return value.split(/[\s,]+/).filter((word) => word !== "");
}

function maxTokenLifetime(env: Env): number | null {
  return env.MAX_TOKEN_LIFETIME === "none" ? null : duration("MAX_TOKEN_LIFETIME", env.MAX_TOKEN_LIFETIME);
}

function untaggedManifests(env: Env): number | null {
  if (env.UNTAGGED_MANIFESTS === "keep") return null;
  const age = duration("UNTAGGED_MANIFESTS", env.UNTAGGED_MANIFESTS);
  if (age >= duration("GRACE_PERIOD", env.GRACE_PERIOD)) return age;
  // HEAD vouches for a manifest for the grace period.
  throw wrong("UNTAGGED_MANIFESTS", env.UNTAGGED_MANIFESTS, '"keep", or a duration not below GRACE_PERIOD');
}

function orphanAge(env: Env): number {
  const age = duration("ORPHAN_AGE", env.ORPHAN_AGE);
  if (age > duration("UPLOAD_EXPIRY", env.UPLOAD_EXPIRY)) return age;
  // An upload that is being closed has an object and no row yet.
  throw wrong("ORPHAN_AGE", env.ORPHAN_AGE, "longer than UPLOAD_EXPIRY");
}

function count(name: string, value: string): number {
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
  throw wrong(name, value, 'a number like "1000", above zero');
}

const UNITS_OF_SIZE = { MB: 1e6, MiB: 2 ** 20, GB: 1e9, GiB: 2 ** 30 } as const;

function bytes(name: string, value: string): number {
  const match = /^(\d{1,6})(MB|MiB|GB|GiB)$/.exec(value);
  if (match === null) throw wrong(name, value, 'a size like "95MB" (MB, MiB, GB, GiB)');
  const size = Number(match[1]) * UNITS_OF_SIZE[match[2] as keyof typeof UNITS_OF_SIZE];
  if (size === 0) throw wrong(name, value, "a size above zero");
  return size;
}

function wrong(name: string, value: string, expected: string): Error {
  return new Error(`the setting ${name} is ${JSON.stringify(value)}, but must be ${expected}`);
}

/**
 * Manifests and configurations as pages show them. What a push has not checked may be anything: of another type than
 * it should be it is not there.
 */

import { type Digest, isDigest } from "../oci/digest.ts";

type Json = Record<string, unknown>;

export interface ShownDescriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  artifactType: string | null;
  annotations: [string, string][];
  /** Like "linux/arm64/v8"; null where none is said. */
  platform: string | null;
}

export interface ShownManifest {
  kind: "image" | "index";
  artifactType: string | null;
  config: ShownDescriptor | null;
  layers: ShownDescriptor[];
  manifests: ShownDescriptor[];
  subject: Digest | null;
  annotations: [string, string][];
}

export interface HistoryEntry {
  command: string;
  created: string | null;
  comment: string;
  empty: boolean;
}

export interface ShownConfig {
  platform: string | null;
  created: string | null;
  author: string | null;
  user: string | null;
  workingDirectory: string | null;
  entrypoint: string[];
  command: string[];
  environment: string[];
  ports: string[];
  volumes: string[];
  stopSignal: string | null;
  labels: [string, string][];
  history: HistoryEntry[];
}

/** Of a list, what is shown at most. */
const MAX_ENTRIES = 1000;

/** @returns null when it is no object of JSON */
export function readManifest(text: string): ShownManifest | null {
  const json = parse(text);
  if (json === null) return null;
  const manifests = list(json.manifests).flatMap(descriptorOf);
  return {
    kind: Array.isArray(json.manifests) ? "index" : "image",
    artifactType: string(json.artifactType),
    config: descriptorOf(json.config)[0] ?? null,
    layers: list(json.layers).flatMap(descriptorOf),
    manifests,
    subject: descriptorOf(json.subject)[0]?.digest ?? null,
    annotations: pairs(json.annotations),
  };
}

function descriptorOf(value: unknown): ShownDescriptor[] {
  if (!isObject(value) || !isDigest(value.digest)) return [];
  return [
    {
      mediaType: string(value.mediaType) ?? "",
      digest: value.digest,
      size: Number.isSafeInteger(value.size) ? (value.size as number) : 0,
      artifactType: string(value.artifactType),
      annotations: pairs(value.annotations),
      platform: platformOf(value.platform),
    },
  ];
}

/** Null as well for what no machine runs, as BuildKit says of attestations. */
function platformOf(value: unknown): string | null {
  if (!isObject(value)) return null;
  const parts = [value.os, value.architecture, value.variant].map(string).filter((part) => part !== null);
  return parts.length === 0 || parts.every((part) => part === "unknown") ? null : parts.join("/");
}

/** @returns null when it is no object of JSON */
export function readConfig(text: string): ShownConfig | null {
  const json = parse(text);
  if (json === null) return null;
  const run = isObject(json.config) ? json.config : {};
  return {
    platform: platformOf(json),
    created: string(json.created),
    author: string(json.author),
    user: string(run.User),
    workingDirectory: string(run.WorkingDir),
    entrypoint: strings(run.Entrypoint),
    command: strings(run.Cmd),
    environment: strings(run.Env),
    ports: isObject(run.ExposedPorts) ? Object.keys(run.ExposedPorts).slice(0, MAX_ENTRIES) : [],
    volumes: isObject(run.Volumes) ? Object.keys(run.Volumes).slice(0, MAX_ENTRIES) : [],
    stopSignal: string(run.StopSignal),
    labels: pairs(run.Labels),
    history: list(json.history).filter(isObject).map(historyOf),
  };
}

function historyOf(entry: Json): HistoryEntry {
  return {
    command: tidy(string(entry.created_by) ?? ""),
    created: string(entry.created),
    comment: string(entry.comment) ?? "",
    empty: entry.empty_layer === true,
  };
}

/** As it stood in the Dockerfile, rather than as docker ran it. */
function tidy(command: string): string {
  return command
    .replace(/^\/bin\/sh -c #\(nop\)\s+/, "")
    .replace(/^\/bin\/sh -c /, "RUN ")
    .replace(/\s+# buildkit$/, "");
}

/** The command that each layer came from; "" where the history does not fit the layers. */
export function commandsOf(config: ShownConfig | null, layers: number): string[] {
  const commands = (config?.history ?? []).filter(({ empty }) => !empty).map(({ command }) => command);
  return commands.length === layers ? commands : Array<string>(layers).fill("");
}

function parse(text: string): Json | null {
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, MAX_ENTRIES) : [];
}

/** Null for what is empty, too. */
function string(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function strings(value: unknown): string[] {
  return list(value).filter((each) => typeof each === "string");
}

function pairs(value: unknown): [string, string][] {
  if (!isObject(value)) return [];
  const entries = Object.entries(value).filter(([, text]) => typeof text === "string") as [string, string][];
  return entries.slice(0, MAX_ENTRIES).sort(([one], [other]) => (one < other ? -1 : 1));
}

/** What differs between two images. Pure. */

import type { Image } from "./image.ts";
import { commandsOf, type ShownConfig, type ShownManifest } from "./oci-json.ts";

export interface Difference {
  what: string;
  /** "" where there is none. */
  one: string;
  other: string;
}

export interface LayerDifference {
  where: "both" | "one" | "other";
  digest: string;
  size: number;
  command: string;
}

interface Compared {
  layers: LayerDifference[];
  settings: Difference[];
  /** Of indexes: for each platform the digest in each. */
  platforms: Difference[];
}

type Compare = Pick<Image, "manifest" | "config">;

export function compareImages(one: Compare, other: Compare): Compared {
  return {
    layers: layersOf(one, other),
    settings: differing(settingsOf(one), settingsOf(other)),
    platforms: pairs(platformsOf(one.manifest), platformsOf(other.manifest)),
  };
}

/** What both have first, in order; then what only one has. */
function layersOf(one: Compare, other: Compare): LayerDifference[] {
  const [mine, theirs] = [listed(one), listed(other)];
  const both = new Set(
    mine.map(({ digest }) => digest).filter((digest) => theirs.some((each) => each.digest === digest)),
  );
  return [
    ...mine.filter(({ digest }) => both.has(digest)).map((layer) => ({ ...layer, where: "both" as const })),
    ...mine.filter(({ digest }) => !both.has(digest)).map((layer) => ({ ...layer, where: "one" as const })),
    ...theirs
      .filter(({ digest }) => !both.has(digest))
      .map((layer) => ({ ...layer, where: "other" as const })),
  ];
}

function listed({ manifest: { layers }, config }: Compare): Omit<LayerDifference, "where">[] {
  const commands = commandsOf(config, layers.length);
  return layers.map(({ digest, size, mediaType }, index) => ({
    digest,
    size,
    command: commands[index] || mediaType,
  }));
}

function settingsOf({ manifest, config }: Compare): Map<string, string> {
  const named = (kind: string, list: [string, string][]) =>
    list.map(([key, value]) => [`${kind} ${key}`, value] as [string, string]);
  return new Map([
    ...(config === null ? [] : configOf(config)),
    ...named("annotation", manifest.annotations),
  ]);
}

function configOf(config: ShownConfig): [string, string][] {
  const words = (list: string[]) => (list.length === 0 ? "" : JSON.stringify(list));
  const variables = config.environment.map((variable) => {
    const [name = "", ...value] = variable.split("=");
    return [`ENV ${name}`, value.join("=")] as [string, string];
  });
  return [
    ["platform", config.platform ?? ""],
    ["created", config.created ?? ""],
    ["USER", config.user ?? ""],
    ["WORKDIR", config.workingDirectory ?? ""],
    ["ENTRYPOINT", words(config.entrypoint)],
    ["CMD", words(config.command)],
    ["EXPOSE", config.ports.join(" ")],
    ["VOLUME", config.volumes.join(" ")],
    ["STOPSIGNAL", config.stopSignal ?? ""],
    ...variables,
    ...config.labels.map(([key, value]) => [`LABEL ${key}`, value] as [string, string]),
  ];
}

function platformsOf({ manifests }: ShownManifest): Map<string, string> {
  return new Map(
    manifests.filter(({ platform }) => platform !== null).map((each) => [each.platform ?? "", each.digest]),
  );
}

function differing(one: Map<string, string>, other: Map<string, string>): Difference[] {
  return pairs(one, other).filter((difference) => difference.one !== difference.other);
}

function pairs(one: Map<string, string>, other: Map<string, string>): Difference[] {
  const names = [...new Set([...one.keys(), ...other.keys()])];
  return names.map((what) => ({ what, one: one.get(what) ?? "", other: other.get(what) ?? "" }));
}

/** What the user wants pushed: a folder, an archive, or standard input. */

import { stat } from "node:fs/promises";
import process from "node:process";
import { badInput, describe } from "../failure.ts";
import { readDockerImage } from "./docker-image.ts";
import type { Choice, Image } from "./image.ts";
import { type ImageFiles, openFolder } from "./image-files.ts";
import { readOciImage } from "./oci-image.ts";
import { compressionOf, readHead, spoolInput, unpack } from "./spool.ts";
import { openTar } from "./tar-index.ts";

/** @param source a path, or - for standard input. @throws Failure */
export async function openSource(source: string): Promise<ImageFiles> {
  if (source === "-") {
    if (process.stdin.isTTY) throw badInput("Standard input is a terminal: pipe docker save into it.");
    const label = "standard input";
    return openTar(await spoolInput(process.stdin, label), label);
  }
  const found = await stat(source).catch((error: unknown) => {
    throw badInput(`Cannot read ${source}: ${describe(error)}.`);
  });
  if (found.isDirectory()) return openFolder(source);
  const compression = compressionOf(await readHead(source));
  return openTar(compression === null ? source : await unpack(source, compression, source), source);
}

/** @throws Failure */
export async function readImage(files: ImageFiles, choice: Choice): Promise<Image> {
  // Docker 25 and newer write both; the OCI layout has the manifests as they are.
  const index = await files.locate("index.json");
  if (index !== null) return readOciImage(files, index, choice);
  const list = await files.locate("manifest.json");
  if (list !== null) return readDockerImage(files, list, choice);
  throw badInput(
    `${files.label} is no image: it has neither index.json (OCI layout) nor manifest.json (docker save).`,
  );
}

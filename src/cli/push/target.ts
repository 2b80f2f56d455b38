/** Where an image is pushed to: registry, repository, tag. */

import { RegistryError } from "../../oci/errors.ts";
import { parseNewTag, parseRepositoryName, type RepositoryName, type Tag } from "../../oci/reference.ts";
import { badInput } from "../failure.ts";
import { isThisMachine } from "../http/plain-http.ts";

export interface Target {
  /** Scheme, host and port. */
  origin: URL;
  name: RepositoryName;
  tag: Tag;
}

/**
 * @param text like registry.example.com/team/app:1. Plain HTTP is spoken to this machine only, or when the text
 * begins with http://
 * @throws Failure
 */
export function parseTarget(text: string): Target {
  const [, scheme, host = "", rest = ""] = /^(?:(https?):\/\/)?([^/]*)\/(.*)$/.exec(text) ?? [];
  const looksLikeHost = /[.:]/.test(host) || host === "localhost" || scheme !== undefined;
  if (!looksLikeHost || !URL.canParse(`http://${host}`)) {
    throw badInput(`${quote(text)} names no registry: write it like registry.example.com/name:tag.`);
  }
  if (rest.includes("@")) throw badInput("Push to a tag: the digest follows from the image.");
  const colon = rest.lastIndexOf(":");
  if (colon === -1) throw badInput(`${quote(text)} has no tag: write ${text}:TAG.`);
  try {
    return {
      origin: new URL(`${scheme ?? (isThisMachine(host) ? "http" : "https")}://${host}`),
      name: parseRepositoryName(rest.slice(0, colon)),
      tag: parseNewTag(rest.slice(colon + 1)),
    };
  } catch (error) {
    if (error instanceof RegistryError) throw badInput(`${quote(text)}: ${error.message}.`);
    throw error;
  }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}

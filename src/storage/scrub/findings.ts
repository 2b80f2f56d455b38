/** What a scrub finds, and what it answers. */

import { log } from "../../log.ts";
import type { Digest } from "../../oci/digest.ts";
import type { RepositoryName, Tag } from "../../oci/reference.ts";

export type Kind = "blob" | "manifest";

/** A row that was wrong, or whose bytes had been missing, and is right now. */
interface Healed {
  kind: Kind;
  digest: Digest;
  detail: string;
}

/** Bytes that hash to something else than their row says. Nobody is served them any more. */
interface Quarantined {
  kind: Kind;
  digest: Digest;
  /** Where they are kept; null when they are in the row itself. */
  objectKey: string | null;
  detail: string;
}

/** A row whose object is not there. */
interface Missing {
  kind: Kind;
  digest: Digest;
}

/** A manifest that cannot be pulled whole. */
interface Damaged {
  repository: RepositoryName;
  digest: Digest;
  tags: Tag[];
  /** Of what it names, or the manifest itself, what has to be pushed again. */
  missing: Digest[];
}

export type Finding =
  | ({ outcome: "healed" } & Healed)
  | ({ outcome: "quarantined" } & Quarantined)
  | ({ outcome: "missing" } & Missing)
  | ({ outcome: "damaged" } & Damaged);

/** What came of looking at one thing. */
export interface Checked {
  /** Read and hashed. */
  bytes: number;
  findings: Finding[];
  /** Whether its object was copied to the store where it belongs now. */
  moved?: boolean;
}

export interface ScrubPage {
  /** Where the next page begins; null behind the last one. */
  next: string | null;
  phase: "blobs" | "manifests" | "objects";
  /** How many things this page has read. */
  checked: number;
  bytes: number;
  healed: Healed[];
  quarantined: Quarantined[];
  missing: Missing[];
  damaged: Damaged[];
}

export function newPage(phase: ScrubPage["phase"]): ScrubPage {
  return {
    next: null,
    phase,
    checked: 0,
    bytes: 0,
    healed: [],
    quarantined: [],
    missing: [],
    damaged: [],
  };
}

export function addFinding(page: ScrubPage, finding: Finding): void {
  const { outcome, ...found } = finding;
  page[outcome].push(found as never);
}

/** Says in the log what a scrub has changed: its answer may be lost on the way. */
export function logFinding(finding: Finding): void {
  const { outcome, ...found } = finding;
  // That an object is missing is said by whoever marks its row.
  if (outcome === "healed") log("scrub-healed", found, "warn");
  if (outcome === "quarantined") log("scrub-quarantined", found, "error");
}

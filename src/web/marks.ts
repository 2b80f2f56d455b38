/** What is known of an image by what refers to it: whether it is signed, and has an SBOM or an attestation. */

import type { ShownManifest } from "./oci-json.ts";

export const MARKS = ["signed", "sbom", "attestation"] as const;
export type Mark = (typeof MARKS)[number];

/** Artifact types, and media types, of what the tools of today push. It is not checked whether any of it is true. */
const KINDS: [Mark, RegExp][] = [
  ["sbom", /spdx|cyclonedx|sbom|syft/i],
  ["attestation", /in-?toto|attest|slsa|provenance/i],
  ["signed", /cosign|notary|signature|sigstore|simplesigning/i],
];

/** Null for other artifacts. */
export function markOf(artifactType: string | null): Mark | null {
  return KINDS.find(([, pattern]) => artifactType !== null && pattern.test(artifactType))?.[0] ?? null;
}

/** The tags under which cosign puts what belongs to a digest, where a registry has no referrers. */
export function cosignTags(digest: string): [Mark, string][] {
  const stem = digest.replace(":", "-");
  return [
    ["signed", `${stem}.sig`],
    ["sbom", `${stem}.sbom`],
    ["attestation", `${stem}.att`],
  ];
}

/** BuildKit keeps its attestations within the index. */
export function hasInnerAttestation(manifest: ShownManifest | null): boolean {
  const type = "vnd.docker.reference.type";
  return (manifest?.manifests ?? []).some(({ annotations }) =>
    annotations.some(([key, value]) => key === type && value === "attestation-manifest"),
  );
}

/** In the order of {@link MARKS}, each once. */
export function marksOf(
  digest: string,
  referrers: (string | null)[],
  tags: ReadonlySet<string>,
  manifest: ShownManifest | null,
): Mark[] {
  const found = new Set<Mark | null>(referrers.map(markOf));
  for (const [mark, tag] of cosignTags(digest)) if (tags.has(tag)) found.add(mark);
  if (hasInnerAttestation(manifest)) found.add("attestation");
  return MARKS.filter((mark) => found.has(mark));
}

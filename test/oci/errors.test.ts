import { describe, expect, test } from "vitest";
import { type ErrorEntry, RegistryError } from "../../src/oci/errors.ts";

function missing(count: number): ErrorEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ code: "MANIFEST_BLOB_UNKNOWN", message: "missing", detail: { digest: `sha256:${index}` } },
  }));
}

describe("an error of many things", () => {
  test("lists a hundred, and says how many more there are", () => {
    expect(RegistryError.of(missing(100)).entries).toEqual(missing(100));
    const { entries, status } = RegistryError.of(missing(1234));
    expect([entries.length, status]).toEqual([101, 400]);
    expect(entries.slice(0, 100)).toEqual(missing(100));
    expect(entries[100]).toEqual({
      ...{ code: "MANIFEST_BLOB_UNKNOWN", message: "1134 more of these are not listed" },
    });
  });
});

/** Which tests run together, and where. A test file belongs to exactly one suite: architecture.test.ts sees to it. */

/** Below test: a folder, with all that is in it, or a file. */
export const SUITES = {
  /** In workerd, on nothing: they need no registry to be set up before each test. */
  pure: ["architecture.test.ts", "oci/"],
  /** In workerd, against the Worker on its bindings, which are empty before each test. */
  worker: ["api/", "audit/", "auth/", "databases/", "faults/", "gc/", "storage/", "web/"],
  /** In Node: programs for the user's machine. */
  cli: ["cli/"],
  /** In Node: real clients against `npm start`. */
  e2e: ["e2e/"],
  /** In Node: Debian's chromium against `npm start`. */
  browser: ["browser/"],
} as const;

/** What of the suite "worker" is run once more with the bytes in another store. */
export const AGAIN = {
  s3: ["api/uploads.test.ts", "api/upload-store-faults.test.ts", "api/pull.test.ts"],
  disk: ["api/uploads.test.ts", "api/upload-store-faults.test.ts", "api/pull.test.ts", "gc/bucket.test.ts"],
  azure: ["api/uploads.test.ts", "gc/bucket.test.ts"],
  /** With three databases; all of "api/" by DATABASES=3. */
  databases: ["api/content-management.test.ts", "api/pull.test.ts", "api/uploads.test.ts"],
} as const;

/** The files of a suite, as vitest's `include` wants them. */
export function filesOf(suite: keyof typeof SUITES | keyof typeof AGAIN): string[] {
  const places: readonly string[] = { ...SUITES, ...AGAIN }[suite];
  return places.map((place) => `test/${place}${place.endsWith("/") ? "**/*.test.ts" : ""}`);
}

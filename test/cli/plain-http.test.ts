/** No program sends passwords or images in the clear to another machine, unless its user insists. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { assertPrivate } from "../../src/cli/http/plain-http.ts";
import { runBerth } from "./support/program.ts";

// Nobody can have this address (RFC 5737), and nothing answers there.
const ELSEWHERE = "http://192.0.2.1:9";
const folder = mkdtempSync(join(tmpdir(), "berth-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ["gc", "--registry", ELSEWHERE],
  ["scrub", "--registry", ELSEWHERE],
  ["audit", "--registry", ELSEWHERE],
  ["relay", ELSEWHERE],
  ["push", folder, `${ELSEWHERE}/app:1`],
])("%s refuses plain HTTP to another machine", async (...args) => {
  const { code, stderr } = await runBerth(args, { env: { DOCKER_CONFIG: folder } });
  expect([code, stderr]).toEqual([2, expect.stringMatching(/is not encrypted: .*insist with --insecure/)]);
});

describe("plain HTTP", () => {
  test.each([
    "http://127.0.0.1:5000",
    "http://127.9.9.9",
    "http://localhost:5000",
    "http://[::1]:5000",
    "https://192.0.2.1",
  ])("is no matter at %s", (url) => {
    expect(() => assertPrivate(new URL(url))).not.toThrow();
  });

  test.each(["http://registry:5000", "http://127.0.0.1.example", "http://localhost.example", "http://[::2]"])(
    "is refused at %s, and warned of when it is insisted on",
    (url) => {
      expect(() => assertPrivate(new URL(url))).toThrow(/is not encrypted/);
      const warned = vi.spyOn(console, "error").mockImplementation(() => {});
      assertPrivate(new URL(url), true);
      expect(warned).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/^Warning: .*is not encrypted/));
      warned.mockRestore();
    },
  );
});

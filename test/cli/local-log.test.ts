/** The log of `npm start`, as people read it. */

import { expect, test } from "vitest";
import { OWN_AGENT, readable } from "../../src/cli/local-log.ts";

const REQUEST = {
  ...{ event: "request", request: "id", method: "PUT", path: "/v2/a/manifests/1", status: 201, duration: 12 },
  ...{ actor: "admin", credential: "password", address: "127.0.0.1", userAgent: "docker/28" },
};

test("a request is a short line, without who asked", () => {
  expect(readable(JSON.stringify(REQUEST))).toBe("PUT /v2/a/manifests/1 201 Created (12ms)");
});

test("what npm start asks itself is none", () => {
  expect(readable(JSON.stringify({ ...REQUEST, userAgent: OWN_AGENT }))).toBe(null);
});

test("all else is as it is, JSON or not", () => {
  for (const line of ['{"event":"requested"}', '{"event":"store-refuses","code":"NoSuchBucket"}', "words"])
    expect(readable(line)).toBe(line);
});

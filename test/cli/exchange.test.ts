/** One HTTP exchange, with servers that stop in the middle. */

import { afterAll, afterEach, expect, test, vi } from "vitest";
import { Failure } from "../../src/cli/failure.ts";
import { createAgents, destroyAgents } from "../../src/cli/http/agents.ts";
import { ask, ConnectionFailure } from "../../src/cli/http/exchange.ts";
import { tlsFailure } from "../../src/cli/http/tls-failure.ts";
import { ScriptedServer } from "./support/scripted-server.ts";

const MINUTE = 60_000;
const server = await new ScriptedServer().listen();
const agents = createAgents();
afterEach(() => {
  vi.useRealTimers();
});
afterAll(() => {
  server.close();
  destroyAgents(agents);
});

test("a registry of plain HTTP is said to be one, and not asked again", async () => {
  const url = new URL(server.origin.replace("http:", "https:"));
  const failed = await ask(agents, { method: "GET", url }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(Failure);
  expect(String(failed)).toContain(`${server.host} speaks plain HTTP, not https`);
});

test.each([
  ["DEPTH_ZERO_SELF_SIGNED_CERT", /is not trusted here .*NODE_EXTRA_CA_CERTS/],
  ["SELF_SIGNED_CERT_IN_CHAIN", /is not trusted here/],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", /is not trusted here/],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", /is not trusted here/],
  ["CERT_HAS_EXPIRED", /has expired/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", /is not for 127\.0\.0\.1/],
])("%s does not pass by itself", (code, said) => {
  const error = Object.assign(new Error("what OpenSSL says"), { code });
  expect(String(tlsFailure(new URL(server.origin), error))).toMatch(said);
});

test.each(["ECONNRESET", "ECONNREFUSED", "ETIMEDOUT", "EPROTO", undefined])("%s may pass", (code) => {
  expect(tlsFailure(new URL(server.origin), Object.assign(new Error("no"), { code }))).toBeNull();
});

test("an answer that stalls in its middle is a failure of the connection", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const waits = vi.spyOn(globalThis, "setTimeout");
  server.reply = (_, response) => {
    response.writeHead(200, { "Content-Length": 10 });
    response.write("half ");
  };
  const failed = ask(agents, { method: "GET", url: new URL(server.origin) }).catch((error: unknown) => error);
  // Until the head is there, another limit counts.
  const reads = () => waits.mock.calls.some(([, time]) => time === MINUTE);
  while (!reads()) await new Promise((resolve) => setImmediate(resolve));
  vi.advanceTimersByTime(MINUTE);
  expect(await failed).toBeInstanceOf(ConnectionFailure);
  expect(String(await failed)).toMatch(/nothing happened for 60 s/);
});

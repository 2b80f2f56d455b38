/** One HTTP exchange, with servers that stop in the middle. */

import { afterEach, expect, test, vi } from "vitest";
import { createAgents, destroyAgents } from "../../src/cli/http/agents.ts";
import { ask, ConnectionFailure } from "../../src/cli/http/exchange.ts";
import { ScriptedServer } from "./support/scripted-server.ts";

const MINUTE = 60_000;
const server = await new ScriptedServer().listen();
const agents = createAgents();
afterEach(() => {
  vi.useRealTimers();
  server.close();
  destroyAgents(agents);
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

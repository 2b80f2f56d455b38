/** Whoever sends much and is refused hears why: directly, and through a proxy that passes bodies on as they come. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pushBlob, putManifest, startUpload } from "./support/api.ts";
import { attempt } from "./support/command.ts";
import { type Edge, startEdge } from "./support/edge.ts";
import { AUTHORIZATION, PASSWORD, USER } from "./support/login.ts";
import { sendThenListen } from "./support/raw.ts";
import { host, itLeavesACleanLog, workspace } from "./support/shared.ts";

const SIZE = 50 * 1024 ** 2;
const file = join(workspace, "fifty-megabytes");
let edge: Edge;

beforeAll(async () => {
  writeFileSync(file, Buffer.alloc(SIZE, "berth"));
  edge = await startEdge(workspace, host, "0");
});
afterAll(() => edge.service.stop());

/** @returns curl's exit code, the status, and the error's code */
async function send(method: string, url: string, user: string, ...options: string[]) {
  const args = [
    "-sS",
    "-X",
    method,
    "-u",
    user,
    "--data-binary",
    `@${file}`,
    "-w",
    "\n%{http_code}",
    ...options,
  ];
  const { code, stdout, stderr } = await attempt("curl", [...args, url]);
  const [body = "", status] = stdout.split("\n");
  if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`);
  return { status: Number(status), code: JSON.parse(body).errors[0].code };
}

const LENGTHS = [
  ["of known length", []],
  ["of unknown length", ["-H", "Transfer-Encoding: chunked"]],
  ["that does not wait to be asked for", ["-H", "Expect:"]],
] as const;

describe.each(LENGTHS)("a body %s", (_, options) => {
  const hosts = () => [host, edge.host];

  it("with wrong credentials is answered 401", async () => {
    for (const at of hosts()) {
      const url = `http://${at}/v2/refused/app/blobs/uploads/?digest=sha256:${"0".repeat(64)}`;
      expect(await send("POST", url, "admin:wrong", ...options)).toEqual({
        status: 401,
        code: "UNAUTHORIZED",
      });
    }
  });

  it("for a digest that is none is answered 400", async () => {
    for (const at of hosts()) {
      const location = await startUpload(host, "refused/app");
      const answer = await send(
        "PUT",
        `http://${at}${location}?digest=md5:0`,
        `${USER}:${PASSWORD}`,
        ...options,
      );
      expect(answer).toEqual({ status: 400, code: "DIGEST_INVALID" });
    }
  });

  it("for a session that is none is answered 404", async () => {
    for (const at of hosts()) {
      const url = `http://${at}/v2/refused/app/blobs/uploads/${crypto.randomUUID()}`;
      const answer = await send("PATCH", url, `${USER}:${PASSWORD}`, ...options);
      expect(answer).toEqual({ status: 404, code: "BLOB_UPLOAD_UNKNOWN" });
    }
  });
});

describe("a client that listens only when it has sent everything", () => {
  it.each([
    ["wrong credentials", "POST /v2/refused/app/blobs/uploads/?digest=x", "Basic YWRtaW46d3Jvbmc=", 401],
    ["no such session", "PATCH /v2/refused/app/blobs/uploads/0", AUTHORIZATION, 404],
  ])("hears of %s", async (_, request, authorization, status) => {
    for (const at of [host, edge.host]) {
      const head = `${request} HTTP/1.1\r\nAuthorization: ${authorization}`;
      const answer = await sendThenListen(Number(at.split(":")[1]), head, readFileSync(file));
      expect(answer).toContain(`HTTP/1.1 ${status}`);
      expect(answer).toContain('{"errors":[{');
    }
  });
});

describe("skopeo, whose HTTP client is Go's", () => {
  it("says that credentials are wrong", async () => {
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const config = await pushBlob(host, "refused/source", "{}");
    const layer = await pushBlob(host, "refused/source", "layer");
    await putManifest(host, "refused/source", "1", {
      schemaVersion: 2,
      mediaType,
      config,
      layers: [layer],
    } as never);
    const options = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    const creds = ["--src-creds", `${USER}:${PASSWORD}`, "--dest-creds", "admin:wrong"];
    const images = [`docker://${host}/refused/source:1`, `docker://${edge.host}/refused/app:1`];
    const { code, stderr } = await attempt("skopeo", ["copy", ...options, ...creds, ...images]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/unauthorized|invalid username\/password/)]);
  });

  itLeavesACleanLog();
});

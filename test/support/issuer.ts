/** A real OpenID Connect issuer, over HTTP on this machine. Each path below it is one of its own, made when asked. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";

interface Key {
  kid: string;
  privateKey: CryptoKey;
  publicKey: JWK;
}

interface Issuer {
  keys: Key[];
  /** Path → how often it was asked for. */
  asked: Record<string, number>;
  /** What every question is answered with instead; 0 for the answer. */
  failure: number;
  /** What the discovery document says instead. */
  document: Record<string, unknown>;
}

export interface RunningIssuer {
  url: string;
  close(): void;
}

export async function startIssuer(): Promise<RunningIssuer> {
  const issuers = new Map<string, Promise<Issuer>>();
  const server = createServer(async (request, response) => {
    const [, name = "", ...rest] = (request.url ?? "/").split("/");
    const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}`;
    const issuer = issuers.get(name) ?? newIssuer();
    issuers.set(name, issuer);
    const { status, body } = await answer(await issuer, here, rest.join("/"), request);
    response.writeHead(status, { "Content-Type": "application/json" }).end(body);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  };
}

async function newIssuer(): Promise<Issuer> {
  return { keys: [await newKey()], asked: {}, failure: 0, document: {} };
}

async function newKey(): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  const kid = crypto.randomUUID();
  return { kid, privateKey, publicKey: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}

async function answer(issuer: Issuer, here: string, path: string, request: IncomingMessage) {
  if (request.method === "POST") return control(issuer, here, path, await text(request));
  issuer.asked[path] = (issuer.asked[path] ?? 0) + 1;
  if (issuer.failure > 0) return { status: issuer.failure, body: "{}" };
  if (path === ".well-known/openid-configuration") {
    const document = { issuer: here, jwks_uri: `${here}/keys`, ...issuer.document };
    return { status: 200, body: JSON.stringify(document) };
  }
  if (path === "keys")
    return { status: 200, body: JSON.stringify({ keys: issuer.keys.map((key) => key.publicKey) }) };
  return { status: 404, body: "{}" };
}

/** What a test tells it. */
async function control(issuer: Issuer, here: string, path: string, body: string) {
  const told = body === "" ? {} : JSON.parse(body);
  if (path === "rotate") issuer.keys = [await newKey()];
  if (path === "set") Object.assign(issuer, told);
  if (path === "sign") return { status: 200, body: await sign(issuer, here, told) };
  return { status: 200, body: JSON.stringify(issuer.asked) };
}

function sign({ keys: [key] }: Issuer, here: string, claims: JWTPayload): Promise<string> {
  const { kid, privateKey } = key as Key;
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iss: here, aud: "registry.test", iat: now, nbf: now, exp: now + 300, ...claims })
    .setProtectedHeader({ alg: "RS256", kid, typ: "JWT" })
    .sign(privateKey);
}

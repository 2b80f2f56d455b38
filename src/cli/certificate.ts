/**
 * The certificate of `npm start -- --https`, where nobody brings one. It is made once and kept, so that clients that
 * were told to trust it go on doing so. Its key never leaves this machine, as one that comes with a program would.
 */

import { spawn } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { Failure } from "./failure.ts";
import { makePrivateFolder } from "./private-folder.ts";

/** Files. */
export interface Certificate {
  key: string;
  certificate: string;
}

/** Apple's limit for what is trusted by hand. */
const DAYS = 825;

/** It is made anew when it lives for less. Milliseconds. */
const RENEWED_BEFORE = 30 * 86_400_000;

/** What openssl and LibreSSL both understand. */
const CONFIGURATION = `[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = Berth on this machine
[extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:${hostname().replaceAll(/[^\w.-]/g, "") || "localhost"}, IP:127.0.0.1, IP:::1
`;

/**
 * The certificate in a folder, made where there is none, or none that lives much longer.
 * @throws Failure when openssl is missing or fails
 */
export async function ensureCertificate(folder: string): Promise<Certificate> {
  const made = { key: join(folder, "key.pem"), certificate: join(folder, "ca.crt") };
  if (await isValid(made)) return made;
  await makePrivateFolder(folder);
  const [configuration, key, certificate] = ["openssl.cnf", "new-key.pem", "new-ca.crt"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  await writeFile(configuration, CONFIGURATION);
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-config", configuration, "-keyout", key, "-out", certificate];
  await openssl(["req", "-x509", "-sha256", "-days", String(DAYS), ...curve, ...files]);
  await chmod(key, 0o600);
  await rm(configuration);
  // Cut off between the two, they do not belong together, and are made again.
  await rename(key, made.key);
  await rename(certificate, made.certificate);
  return made;
}

async function isValid({ key, certificate }: Certificate): Promise<boolean> {
  try {
    const found = new X509Certificate(await readFile(certificate));
    const lives = Date.parse(found.validTo) - Date.now() > RENEWED_BEFORE;
    return lives && found.checkPrivateKey(createPrivateKey(await readFile(key)));
  } catch {
    return false;
  }
}

function openssl(args: string[]): Promise<void> {
  const bring = "Bring a certificate of your own: --https-cert FILE --https-key FILE.";
  return new Promise((done, fail) => {
    const child = spawn("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (data: string) => {
      said += data;
    });
    child.once("error", () =>
      fail(new Failure(`A certificate is made by openssl, which is not here. ${bring}`)),
    );
    child.once("close", (code) => {
      if (code === 0) done();
      else fail(new Failure(`openssl made no certificate. ${bring} It said: ${said.trim().slice(-500)}`));
    });
  });
}

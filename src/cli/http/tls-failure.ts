/** What goes wrong before anything is said under TLS: trying again mends none of it. */

import { describe, Failure } from "../failure.ts";

/** OpenSSL's and Node's codes for a certificate that cannot be trusted. */
const CERTIFICATE = /^(?:.*_CERT(?:_.*)?|CERT_.*|UNABLE_TO_.*|.*_ISSUER_.*|ERR_TLS_CERT_.*)$/;

/** @returns null for any other error, which may pass */
export function tlsFailure({ host, hostname, protocol }: URL, error: unknown): Failure | null {
  const { code = "" } = error as NodeJS.ErrnoException;
  const said = describe(error);
  if (code === "EPROTO" && /wrong version number|packet length too long/.test(said)) {
    return new Failure(`${host} speaks plain HTTP, not https: write http://${host} if that is meant.`);
  }
  // The first thing that a server of TLS says to who does not speak it is an alert.
  if (code === "HPE_INVALID_CONSTANT" && protocol === "http:")
    return new Failure(`${host} does not speak plain HTTP: write https://${host} if that is meant.`);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return new Failure(
      `The certificate of ${host} is not for ${hostname} (${said}): use a name that it has.`,
    );
  }
  if (code === "CERT_HAS_EXPIRED")
    return new Failure(`The certificate of ${host} has expired: renew it there.`);
  if (!CERTIFICATE.test(code)) return null;
  return new Failure(
    `The certificate of ${host} is not trusted here (${said}): add what signs it to this machine's certificates, ` +
      "or name its file in NODE_EXTRA_CA_CERTS.",
  );
}

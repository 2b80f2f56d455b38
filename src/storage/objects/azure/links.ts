/**
 * Links to blobs of Azure: each a shared access signature of its own, for one blob, to read it, and for soon
 * (https://learn.microsoft.com/rest/api/storageservices/create-service-sas).
 */

import { createHmac } from "node:crypto";
import type { Links } from "../objects.ts";
import { LIFETIME, pathOf } from "../signed-url.ts";

export interface AzureAccount {
  account: string;
  key: Uint8Array;
}

const VERSION = "2021-12-02";

/** @param container its URL, without a slash at its end */
export function azureLinks(container: string, { account, key }: AzureAccount): Links {
  const { hostname, pathname, protocol } = new URL(container);
  const name = pathname.split("/").at(-1);
  return {
    host: hostname,
    async to(blob) {
      const ends = `${new Date(Date.now() + LIFETIME * 1000).toISOString().slice(0, 19)}Z`;
      const only = protocol === "https:" ? "https" : "https,http";
      const resource = `/blob/${account}/${name}/${blob}`;
      // What is left out stands there empty: start, policy, address; snapshot, encryption and the five headers.
      const fields = ["r", "", ends, resource, "", "", only, VERSION, "b", ...Array<string>(7).fill("")];
      const signature = createHmac("sha256", key).update(fields.join("\n")).digest("base64");
      const query = new URLSearchParams({
        sv: VERSION,
        sr: "b",
        sp: "r",
        se: ends,
        spr: only,
        sig: signature,
      });
      return `${container}/${pathOf(blob)}?${query}`;
    },
  };
}

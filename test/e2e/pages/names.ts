/** What the pages' names stand for here. */

import { PASSWORD, USER } from "../support/login.ts";

export interface Names {
  /** Hosts, with their ports. */
  registry: string;
  relay: string;
  other: string;
  /** The folder that commands are run in. */
  folder: string;
}

type Replacement = [pattern: RegExp, by: (names: Names) => string];

const REPLACEMENTS: Replacement[] = [
  // One registry is the deployed one and the one on this machine: plain HTTP, where the pages have a domain.
  [/https:\/\/registry\.example\.com/g, ({ registry }) => `http://${registry}`],
  [/registry\.example\.com|127\.0\.0\.1:5000/g, ({ registry }) => registry],
  [/127\.0\.0\.1:5001/g, ({ relay }) => relay],
  [/^npx berth relay/, ({ relay }) => `npx berth relay --listen ${relay}`],
  // Each change of a user here starts workerd: those that nobody logs in as are changed in the deployed registry.
  [/^npm run user -- (?:add|grant|passwd|remove|list)\b(?!.* --remote).*/, () => "$& --remote"],
  // D1 goes back 30 days, and no further.
  [/(?<=--timestamp )\S+/, () => new Date(Date.now() - 86_400_000).toISOString()],
  // Registries that are elsewhere: one of Debian's.
  [/registry\.example\.org|\bghcr\.io/g, ({ other }) => other],
  [/(?<=berth import )docker\.io/, ({ other }) => other],
  [/(?<= -C )\/srv/, ({ folder }) => `${folder}/srv`],
  // Alice is whoever logs in; where a terminal would ask for the password, it comes from standard input.
  [/(?<=^(?:docker|podman) login )(?!-)/, () => `-u ${USER} --password-stdin `],
  [/(?<=-u |--username |--docker-username=)alice/g, () => USER],
  // No cluster is here: kubectl writes what it would send to one.
  [/^kubectl create secret .*/, () => "$& --dry-run=client --output=yaml > secret.yaml"],
  [
    /^kubectl patch serviceaccount default (.*)/,
    () => "kubectl patch --local --filename=account.yaml --output=yaml $1 > patched.yaml",
  ],
  [/(?<=^ctr .*)--user alice/, ({ folder }) => `--user ${USER}:${PASSWORD} --hosts-dir ${folder}/certs.d`],
];

export function inPlaceOfNames(text: string, names: Names): string {
  return REPLACEMENTS.reduce((so, [pattern, by]) => so.replace(pattern, by(names)), text);
}

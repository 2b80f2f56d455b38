/** The shape of the source: imports go one way, without circles, and files stay small. */

import { describe, expect, test } from "vitest";

const sources = import.meta.glob<string>("../src/**/*.ts", { query: "?raw", import: "default", eager: true });

/** Path below src → the paths below src that it imports, types included. */
const imports = new Map(
  Object.entries(sources)
    .map(([path, text]) => [path.replace("../src/", ""), text] as const)
    .filter(([path]) => !path.endsWith(".d.ts"))
    .map(([path, text]) => [path, importsOf(path, text)]),
);

function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)].map(
    ([, found]) => found ?? "",
  );
  return specifiers.map((specifier) => new URL(specifier, `file:///${path}`).pathname.slice(1));
}

/** What each room may import; rooms are matched in this order. */
const MAY_IMPORT: [room: RegExp, allowed: RegExp][] = [
  [/^index\.ts$/, /^(app|gc)\.ts$|^storage\/upload-session\.ts$/],
  [/^app\.ts$/, /^(routes|auth)\/|^(config|gc|log)\.ts$|^oci\/errors\.ts$/],
  [/^log\.ts$/, /^$/],
  [/^config\.ts$/, /^oci\//],
  [/^gc\.ts$/, /^storage\/|^(config|log)\.ts$/],
  [
    /^auth\//,
    /^auth\/|^storage\/(users|hashes|tokens|rules|registry|signing-keys)\.ts$|^(config|log)\.ts$|^oci\//,
  ],
  [
    /^routes\/(context|pagination|conditional|authorize|drained|limited-body|token-request)\.ts$/,
    /^oci\/|^auth\/|^(config|gc)\.ts$|^routes\/(context|drained)\.ts$/,
  ],
  [
    /^routes\//,
    /^(oci|storage|auth)\/|^gc\.ts$|^routes\/(context|pagination|conditional|authorize|limited-body|token-request|upload-answers)\.ts$/,
  ],
  [/^storage\//, /^storage\/|^log\.ts$|^oci\/(?!errors)/],
  [/^oci\//, /^oci\//],
  [/^cli\//, /^cli\/|^oci\/|^auth\/(user-entry|scopes|oidc-rules)\.ts$/],
];

describe("imports", () => {
  test("are found at all", () => {
    expect(imports.get("index.ts")).toContain("app.ts");
    expect(imports.size).toBeGreaterThan(30);
  });

  test("go one way", () => {
    const wrong: string[] = [];
    for (const [path, targets] of imports) {
      const allowed = MAY_IMPORT.find(([room]) => room.test(path))?.[1];
      if (allowed === undefined) wrong.push(`${path} belongs to no room`);
      for (const target of targets) if (!allowed?.test(target)) wrong.push(`${path} → ${target}`);
    }
    expect(wrong).toEqual([]);
  });

  test("have no circle", () => {
    const done = new Set<string>();
    function visit(path: string, trail: string[]): void {
      if (trail.includes(path)) throw new Error(`circle: ${[...trail, path].join(" → ")}`);
      if (done.has(path)) return;
      for (const target of imports.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    }
    for (const path of imports.keys()) visit(path, []);
    expect(done.size).toBe(imports.size);
  });
});

describe("files", () => {
  test("stay small enough to hold in the head", () => {
    const long = Object.entries(sources)
      .filter(([path, text]) => !path.endsWith(".d.ts") && text.split("\n").length > 250)
      .map(([path]) => path);
    expect(long).toEqual([]);
  });

  test("keep SQL and R2 keys in storage", () => {
    const outside = Object.entries(sources)
      .filter(([path, text]) => !path.startsWith("../src/storage/") && /\.prepare\(|\.batch\(/.test(text))
      .map(([path]) => path);
    expect(outside).toEqual([]);
  });
});

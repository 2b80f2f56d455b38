/** The shape of the source: imports go one way, without circles, and files stay small. And every test is run. */

import { describe, expect, test } from "vitest";
import { AGAIN, SUITES } from "./suites.ts";

const sources = import.meta.glob<string>("../src/**/*.{ts,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** Path below src → the paths below src that it imports, types included. */
const imports = new Map(
  Object.entries(sources)
    .map(([path, text]) => [path.replace("../src/", ""), text] as const)
    .filter(([path]) => !path.endsWith(".d.ts"))
    .map(([path, text]) => [path, importsOf(path, text)]),
);

function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+\.ts)"/g)].map(
    ([, found]) => found ?? "",
  );
  return specifiers
    .filter((specifier) => /\.tsx?$/.test(specifier))
    .map((specifier) => new URL(specifier, `file:///${path}`).pathname.slice(1));
}

/** What each room may import; rooms are matched in this order. */
const MAY_IMPORT: [room: RegExp, allowed: RegExp][] = [
  [/^index\.ts$/, /^app\.ts$|^gc\/collect\.ts$|^storage\/(upload\/session|objects\/edge)\.ts$/],
  [/^app\.ts$/, /^(routes|auth)\/|^config\.ts$|^oci\/errors\.ts$|^web\/web\.ts$/],
  [/^log\.ts$/, /^$/],
  [/^config\.ts$/, /^oci\/|^storage\/(objects\/(objects|open|r2)|placement)\.ts$/],
  [/^metrics\//, /^metrics\/|^storage\/(counters|database|status|whereabouts)\.ts$/],
  [/^gc\//, /^gc\/|^storage\/(garbage\/|(?:audit|stores)\.ts$)|^(config|log)\.ts$/],
  [
    /^auth\//,
    /^auth\/|^storage\/(audit|database|users|user-changes|hashes|tokens|ended-sessions|rules|registry|signing-keys|stores)\.ts$|^(config|log)\.ts$|^oci\//,
  ],
  [
    /^routes\/(context|pagination|conditional|authorize|drained|limited-body|admin-request|token-request|reliance|unavailable|flag|request-log|request-count|read-only)\.ts$/,
    /^oci\/|^auth\/|^metrics\/|^(config|log)\.ts$|^routes\/(context|drained|limited-body|admin-request|read-only)\.ts$|^storage\/(across\/rules|audit|blobs|database|placement|registry|retry|stores|whereabouts|objects\/keys)\.ts$/,
  ],
  [
    /^routes\//,
    /^(oci|storage|auth|gc|metrics)\/|^log\.ts$|^routes\/(context|pagination|conditional|authorize|limited-body|admin-request|token-request|reliance|unavailable|flag|upload-answers|drained|quota-refusal)\.ts$/,
  ],
  // As routes do, and no route: of those only what all requests have in common.
  [
    /^web\//,
    /^(oci|storage|auth|gc|web)\/|^(config|log)\.ts$|^routes\/(context|drained|limited-body|read-only|request-count|request-log|unavailable|admin-request|token-request)\.ts$/,
  ],
  // It stands above the other rooms of storage: none of them knows of it.
  [
    /^storage\/scrub\//,
    /^storage\/(scrub|objects)\/|^storage\/(blob-push|database|manifest-object|missing|retry|stores|whereabouts)\.ts$|^log\.ts$|^oci\/(?!errors)/,
  ],
  // And above that what moves repositories, which pushes as clients do.
  [
    /^storage\/relocation\//,
    /^storage\/(relocation|scrub|objects)\/|^storage\/(audit|blob-push|database|manifest-push|manifests|mount|placement|repositories|stores)\.ts$|^oci\/(?!errors)/,
  ],
  [/^storage\//, /^storage\/(?!scrub\/|relocation\/)|^log\.ts$|^oci\/(?!errors)/],
  [/^oci\//, /^oci\//],
  [/^cli\//, /^cli\/|^oci\/|^auth\/(user-entry|user-rules|scopes|oidc-rules)\.ts$/],
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
      // A language is one file, so that another can be put beside it.
      .filter(([path]) => !path.endsWith(".d.ts") && !path.startsWith("../src/web/texts/"))
      .filter(([, text]) => text.split("\n").length > 250)
      .map(([path]) => path);
    expect(long).toEqual([]);
  });

  /** Each store has one door; only these files may call it. */
  const DOORS: [what: string, call: RegExp, door: RegExp][] = [
    [
      "R2",
      /R2Bucket|R2MultipartUpload|\bBUCKET\.|\.(resume|create)MultipartUpload\(/,
      /^storage\/objects\/r2\.ts$/,
    ],
    ["the disk", /disk\.invalid/, /^storage\/objects\/disk\/folder\.ts$/],
    ["D1", /D1Database|D1PreparedStatement|\bDB\./, /^storage\/database\.ts$|^cli\/database\.ts$/],
    // `npm start` looks into wrangler's own book of migrations; what changes users adds to the audit trail.
    ["SQL", /\.prepare\(|\.batch[(<]/, /^storage\/|^cli\/(local-state|database)\.ts$/],
    ["Durable Objects", /\.idFromName\(|\bDurableObjectNamespace\b/, /^storage\/upload\/client\.ts$/],
    ["the log", /console\./, /^log\.ts$|^cli\//],
  ];

  test.each(DOORS)("call %s only through its door", (_, call, door) => {
    const calling = Object.entries(sources)
      .map(([path, text]) => [path.replace("../src/", ""), text] as const)
      .filter(([path, text]) => !path.endsWith(".d.ts") && call.test(text))
      .map(([path]) => path);
    expect(calling.filter((path) => !door.test(path))).toEqual([]);
    // The door itself is found, so the pattern is no empty one.
    expect(calling.length).toBeGreaterThan(0);
  });

  test("of a store that has a folder are reached by one door, and that from where stores are named", () => {
    const inside = /^storage\/objects\/(\w+)\/(\w+)\.ts$/;
    const reached = [...imports].flatMap(([path, targets]) => targets.map((target) => ({ path, target })));
    const wrong = reached.filter(({ path, target }) => {
      const [, folder, file] = inside.exec(target) ?? [];
      if (folder === undefined || path.startsWith(`storage/objects/${folder}/`)) return false;
      return file !== folder || !/^storage\/objects\/\w+\.ts$/.test(path);
    });
    expect(wrong).toEqual([]);
    expect(reached.filter(({ target }) => inside.test(target)).length).toBeGreaterThan(2);
  });

  test("leave the fields of an upload's state to state.ts", () => {
    const assigning = Object.entries(sources)
      .filter(([path]) => !path.endsWith("/upload/state.ts"))
      .filter(([, text]) => /\bstate\.\w+ (?:[-+]?=|\?\?=) |Object\.assign\((?:upload\.)?state/.test(text))
      .map(([path]) => path);
    expect(assigning).toEqual([]);
  });
});

describe("test files", () => {
  const others = Object.keys(import.meta.glob("./**/*.test.ts")).map((path) => path.replace("./", ""));
  // A glob leaves out the file that it stands in.
  const files = ["architecture.test.ts", ...others];
  const places: readonly string[] = Object.values(SUITES).flat();

  function holds(place: string, file: string): boolean {
    return place.endsWith("/") ? file.startsWith(place) : file === place;
  }

  test("belong to exactly one suite", () => {
    expect(files.length).toBeGreaterThan(30);
    const lost = files.filter((file) => places.filter((place) => holds(place, file)).length !== 1);
    expect(lost).toEqual([]);
  });

  test("are in every place that a suite names", () => {
    expect(places.filter((place) => !files.some((file) => holds(place, file)))).toEqual([]);
  });

  test("are run again on another store only where they are there", () => {
    expect(
      Object.values(AGAIN)
        .flat()
        .filter((place) => !files.some((file) => holds(place, file))),
    ).toEqual([]);
  });

  test("are found by the suites' own configurations, and by no others", () => {
    const configurations = import.meta.glob<string>("./**/vitest.config.ts", {
      query: "?raw",
      import: "default",
      eager: true,
    });
    const includes = Object.values(configurations).flatMap((text) => text.match(/include: [^,\n]*/g) ?? []);
    expect(includes.map((include) => include.replace(/ }.*/, "")).sort()).toEqual(
      Object.keys({ ...SUITES, ...AGAIN })
        .map((suite) => `include: filesOf("${suite}")`)
        .sort(),
    );
  });
});

/** The commands in the pages, run as they stand there, and what the pages show of other programs' files. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { blocksOf, linesIn, linesOf, PAGES } from "../support/pages.ts";
import { EXCEPTIONS, IN_THE_BACKGROUND } from "./pages/exceptions.ts";
import { World } from "./pages/world.ts";
import { run } from "./support/command.ts";
import { send } from "./support/login.ts";
import { faultsIn } from "./support/registry.ts";
import { workspace } from "./support/shared.ts";

/** The first says what the others take to be there. */
const IN_ORDER = ["README.md", ...PAGES.filter((page) => page !== "README.md")];
const blocks = IN_ORDER.flatMap(blocksOf);
const seen = new Set<string>();
const toRun = blocks
  .filter(({ language }) => language === "sh")
  .flatMap((block) => {
    const lines = linesIn(block).filter((line) => !Object.hasOwn(EXCEPTIONS, line) && !isDone(line));
    return lines.map((line, index) => ({ page: block.page, line, isFirst: index === 0 }));
  });

/** Of wrangler, which takes seconds to start, each line once. */
function isDone(line: string): boolean {
  const done = seen.has(line);
  if (line.startsWith("npx wrangler ")) seen.add(line);
  return done;
}

let world: World;
beforeAll(async () => {
  world = await World.create(workspace, inject("dockerSocket"));
});
afterAll(() => world?.close());

describe("a command in a page does what it says", () => {
  it.each(toRun)("$page: $line", async ({ line, isFirst }) => {
    // Each block is a terminal of its own.
    if (isFirst) world.logIn();
    if (IN_THE_BACKGROUND.includes(line)) {
      await world.start(line, async () => (await send(`http://${world.names.relay}/v2/`)).ok);
      return;
    }
    await world.succeed(line);
  });

  it("Kubernetes would pull with the token that its secret holds", async () => {
    const read = (name: string) => readFileSync(join(world.folder, name), "utf8");
    const { data } = parseYaml(read("secret.yaml")) as { data: Record<string, string> };
    writeFileSync(join(world.folder, "auth.json"), Buffer.from(data[".dockerconfigjson"] ?? "", "base64"));
    await world.succeed("skopeo inspect --authfile auth.json docker://registry.example.com/team/app:1");
    expect(parseYaml(read("patched.yaml"))).toMatchObject({ imagePullSecrets: [{ name: "berth" }] });
  });

  it("and each that is not run is there, with a reason", () => {
    const there = PAGES.flatMap(linesOf);
    expect(Object.keys(EXCEPTIONS).filter((line) => !there.includes(line))).toEqual([]);
  });
});

describe("a file in a page can be read by what it is for", () => {
  const PARSERS: Record<string, (text: string) => unknown> = {
    json: JSON.parse,
    toml: parseToml,
    yaml: parseYaml,
  };
  const files = blocks.filter(({ language }) => Object.hasOwn(PARSERS, language));

  it.each(files)("$page: $text", ({ language, text }) => {
    expect(PARSERS[language]?.(text)).toBeTypeOf("object");
  });

  it("or it is of a kind that is known", () => {
    const known = ["", "sh", ...Object.keys(PARSERS)];
    expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
    expect(files.length).toBeGreaterThan(10);
  });

  it.each(workflows())("a workflow's step is a shell's: %s", async (_, script) => {
    await run("bash", ["-n", "-c", script]);
  });

  it("containerd takes an image of Docker Hub from the registry that its hosts.toml names", async () => {
    const image = "docker.io/library/busybox:latest";
    await world.succeed(`npx berth import docker.io/library/busybox --into mirror`);
    const before = world.registry.service.log.length;
    await world.succeed(`ctr images pull --user alice ${image}`);
    expect(world.registry.service.log.slice(before)).toContain("/v2/mirror/library/busybox/manifests/latest");
  });
});

it("none of it leaves a server error, an uncaught error or a stack trace in the registry's log", () => {
  expect(faultsIn(world.registry.service.log)).toEqual([]);
});

/** Scripts of GitHub's workflows. */
function workflows(): [string, string][] {
  return blocks
    .filter(({ language }) => language === "yaml")
    .flatMap(({ page, text }) => {
      const { jobs = {} } = parseYaml(text) as { jobs?: Record<string, { steps: { run?: string }[] }> };
      return Object.values(jobs).flatMap(({ steps }) =>
        steps.flatMap(({ run }) => run ?? []).map((script): [string, string] => [page, script]),
      );
    });
}

/** Every SQL statement of the registry, as its source has it. */

import { evenSpace } from "./instrument.ts";

const sources = import.meta.glob<string>("../../src/storage/**/*.ts", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** How often the source prepares a statement, whether it is a literal or not. The door itself is left out. */
export const PREPARED =
  Object.entries(sources)
    .filter(([path]) => !path.endsWith("/database.ts"))
    .map(([, text]) => text)
    .join("\n")
    .split(".prepare(").length - 1;

export interface SourceStatement {
  sql: string;
  /** Below src/storage. */
  file: string;
}

export const STATEMENTS: readonly SourceStatement[] = Object.entries(sources).flatMap(([path, text]) =>
  [...text.matchAll(/\.prepare\(\s*`([^`]*)`,?\s*\)/g)].map(([, sql]) => ({
    sql: evenSpace(withConstants(sql as string, text)),
    file: path.replace("../../src/storage/", ""),
  })),
);

/** A condition that stands in several statements is a constant of its file. */
function withConstants(sql: string, text: string): string {
  return sql.replace(/\$\{([A-Z_]+)\}/g, (_, name) => {
    const value = new RegExp(`const ${name} = \`([^\`]*)\``).exec(text)?.[1];
    if (value === undefined) throw new Error(`the constant ${name} is no literal of its file`);
    return value;
  });
}

/**
 * Which database a repository lies in, by the first segment of its name: what the setting DATABASES says. Without it
 * all lie in one. Each database is a registry by itself, with blobs, links, garbage and objects of its own; what they
 * have in common is said in docs/databases.md.
 */

/** The database of what is of no repository, and of repositories that the setting does not name. */
export const MAIN = "DB";

/** A binding that is one of the registry's databases. */
const DATABASE = /^DB(_[A-Z0-9_]{1,30})?$/;

/** "team=DB_2", "team=DB>DB_2" while it moves, and "*=DB_2" for all that are not named. */
const ENTRY = /^(\*|[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)=(\w+)(?:>(\w+))?$/;

export interface Place {
  /** The binding of the database that serves the repository. */
  database: string;
  /** That of the database to which it is being moved: nothing is pushed meanwhile. Null for one that stays. */
  movingTo: string | null;
}

export interface Placement {
  placeOf(repository: string): Place;
}

/** What the settings say of it: the variable, and the bindings. */
export type PlacementEnv = Pick<Env, "DB" | "DATABASES">;

const ALL_IN_MAIN: Place = { database: MAIN, movingTo: null };

/** @throws Error naming what of the setting makes no sense: config.ts has seen it first */
export function readPlacement(env: PlacementEnv): Placement {
  const said = env.DATABASES.trim() !== "";
  const places = said ? parsePlaces(env.DATABASES, databasesOf(env)) : new Map<string, Place>();
  const rest = places.get("*") ?? ALL_IN_MAIN;
  return {
    placeOf: (repository) => places.get(segmentOf(repository)) ?? rest,
  };
}

/** The bindings that are databases of the registry, MAIN first. @param env with any settings, which are not read */
export function databasesOf(env: object): string[] {
  const others = Object.keys(env).filter((name) => DATABASE.test(name) && name !== MAIN);
  return [MAIN, ...others.sort()];
}

/** Whether a repository is on its way to another database: then nothing of it is to change. @throws as {@link readPlacement} */
export function isMoving(env: PlacementEnv, repository: string): boolean {
  return readPlacement(env).placeOf(repository).movingTo !== null;
}

/** The first segment of a repository's name, or of a folder's. */
function segmentOf(name: string): string {
  return name.split("/", 1)[0] as string;
}

function parsePlaces(text: string, databases: string[]): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const word of text.split(/[\s,]+/).filter((one) => one !== "")) {
    const [, segment, database, movingTo = null] = ENTRY.exec(word) ?? [];
    if (segment === undefined || database === undefined)
      throw wrong(word, 'must be like "team=DB_2", "team=DB>DB_2" or "*=DB_2"');
    for (const name of [database, movingTo]) {
      if (name !== null && !databases.includes(name))
        throw wrong(word, `names a database that is not bound: ${databases.join(", ")} are`);
    }
    if (database === movingTo) throw wrong(word, "moves to where it is");
    if (segment === "*" && movingTo !== null) throw wrong(word, "moves all at once: name the segments");
    if (places.has(segment)) throw wrong(word, "says where a segment lies for the second time");
    places.set(segment, { database, movingTo });
  }
  return places;
}

function wrong(word: string, why: string): Error {
  return new Error(`in the setting DATABASES, ${JSON.stringify(word)} ${why}`);
}

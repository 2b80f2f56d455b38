/** Policies: what the registry's owner says about tags. All that decides by them is here, and pure. */

import { type Glob, parseGlob, parseTagGlob } from "./globs.ts";
import type { RepositoryName, Tag } from "./reference.ts";

/** Of each kind in one rule: they are looked at with every push. */
const MAX_PATTERNS = 50;

/** A tag that it covers cannot move to another manifest, nor be deleted, once it is there. Patterns are globs. */
export interface Rule {
  kind: "immutable";
  repositories: string[];
  tags: string[];
  /** Tags that it does not cover after all. */
  except: string[];
}

export interface Policy {
  name: string;
  rule: Rule;
}

/** @returns a string when it is no rule: what a rule must be */
export function parseRule(json: Record<string, unknown>): Rule | string {
  const { kind, repositories, tags, except = [], ...others } = json;
  const [other] = Object.keys(others);
  if (other !== undefined) return `a rule has no ${other.slice(0, 50)}`;
  if (kind !== "immutable") return 'kind must be "immutable"';
  if (!areGlobs(repositories, parseGlob, 1)) return patternsOf("repositories", "team/**", 1);
  if (!areGlobs(tags, parseTagGlob, 1)) return patternsOf("tags", "v*", 1);
  if (!areGlobs(except, parseTagGlob, 0)) return patternsOf("except", "latest", 0);
  return { kind, repositories, tags, except };
}

function areGlobs(json: unknown, parse: (text: string) => Glob | null, least: number): json is string[] {
  return (
    Array.isArray(json) &&
    json.length >= least &&
    json.length <= MAX_PATTERNS &&
    json.every((each) => typeof each === "string" && parse(each) !== null)
  );
}

function patternsOf(field: string, example: string, least: number): string {
  return `${field} must be a list of ${least} to ${MAX_PATTERNS} globs, like ["${example}"]`;
}

export class Policies {
  readonly #rules: { name: string; repositories: Glob[]; tags: Glob[]; except: Glob[] }[];

  /** Of rules that {@link parseRule} has read. */
  constructor(policies: readonly Policy[]) {
    this.#rules = policies.map(({ name, rule }) => ({
      name,
      repositories: rule.repositories.map(parseGlob).filter((glob) => glob !== null),
      tags: rule.tags.map(parseTagGlob).filter((glob) => glob !== null),
      except: rule.except.map(parseTagGlob).filter((glob) => glob !== null),
    }));
  }

  /** Whether a tag of this repository may be immutable. */
  concern(repository: RepositoryName): boolean {
    return this.#rules.some((rule) => anyOf(rule.repositories, repository));
  }

  /** The name of a policy by which the tag is immutable; null when there is none. */
  immutableBy(repository: RepositoryName, tag: Tag): string | null {
    const found = this.#rules.find(
      ({ repositories, tags, except }) =>
        anyOf(repositories, repository) && anyOf(tags, tag) && !anyOf(except, tag),
    );
    return found?.name ?? null;
  }
}

function anyOf(globs: Glob[], name: string): boolean {
  return globs.some((glob) => glob.matches(name));
}

/**
 * The names of output files: `feeds/{date}/{hour}.ndjson`. Times are UTC, so
 * that no hour is missing or there twice when the clocks change.
 *
 * @module
 */

import { UsageError } from "../flags/values.ts";

/** What a name is filled with. */
export interface NameFacts {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The host of the URL. */
  readonly host: string;
  /** Counts the files that would have the same name, from 1. */
  readonly n: number;
}

const FIELDS: Readonly<Record<string, (facts: NameFacts) => string>> = {
  date: ({ now }) => new Date(now).toISOString().slice(0, 10),
  hour: ({ now }) => new Date(now).toISOString().slice(11, 13),
  minute: ({ now }) => new Date(now).toISOString().slice(14, 16),
  host: ({ host }) => host.replaceAll(/[^\w.-]/g, "_"),
  n: ({ n }) => String(n).padStart(4, "0"),
};

/**
 * Checks a template; returns it.
 * @throws {UsageError} an unknown field
 */
export function fileTemplate(template: string): string {
  for (const [, field = ""] of template.matchAll(/\{([^}]*)\}/g)) {
    if (!Object.hasOwn(FIELDS, field)) {
      throw new UsageError(
        `must use only ${
          Object.keys(FIELDS).map((name) => `{${name}}`).join(" ")
        }, and not {${field}}`,
      );
    }
  }
  if (/[/\\]$/.test(template)) throw new UsageError("must name a file");
  return template;
}

/** The name of a file. Without `{n}` the second one is `name.2.ext`. */
export function fileName(template: string, facts: NameFacts): string {
  const name = template.replaceAll(
    /\{(\w+)\}/g,
    (whole, field: string) => FIELDS[field]?.(facts) ?? whole,
  );
  if (facts.n === 1 || template.includes("{n}")) return name;
  return name.replace(/(\.[^./\\]*)?$/, (end) => `.${facts.n}${end}`);
}

/** The folder below which all the names are; it is all that must be allowed. */
export function templateFolder(template: string): string {
  const [fixed = ""] = template.split("{", 1);
  const folder = fixed.replace(/[^/\\]*$/, "");
  if (folder === "") return ".";
  return folder.length > 1 ? folder.slice(0, -1) : folder;
}

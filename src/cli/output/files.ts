/**
 * Output files that follow one another, and their names: `feeds/{date}/{hour}.log`.
 *
 * A file has its final name only when it is complete; until then the name ends in
 * `.part`. A new file begins between two messages. Times are UTC, so that no hour is
 * missing or repeated when the clocks change.
 *
 * @module
 */

import type { FileField } from "../args/values.ts";
import type { Sink } from "../stdio.ts";

/** How files follow one another. */
export interface RotationOptions {
  readonly template: string;
  /** The host of the URL, for the name. */
  readonly host: string;
  /** Start a new file before this one gets larger, in bytes. */
  readonly maxSize?: number;
  /** Start a new file at this age, in milliseconds. */
  readonly maxAge?: number;
  /** Told of each file that is complete. */
  readonly onComplete?: (path: string) => void;
}

interface OpenFile {
  readonly file: Deno.FsFile;
  readonly path: string;
  /** Its name if it were the first of that name: changes with the time. */
  readonly base: string;
  readonly since: number;
  size: number;
}

/**
 * Writes to one file after another. After a failed write the last one keeps
 * `.part` in its name: it is not complete.
 */
export class OutputFiles implements Sink, Disposable {
  readonly #options: RotationOptions;
  readonly #now: () => number;
  #open: OpenFile | undefined;
  #path: string;
  #failed = false;

  /** @param now the clock, in milliseconds since the epoch */
  constructor(options: RotationOptions, now: () => number = Date.now) {
    this.#options = options;
    this.#now = now;
    this.#path = options.template;
  }

  /** The final name of the file that is written, or was last. */
  get path(): string {
    return this.#path;
  }

  /** Opens the first file, to see whether that can be done. */
  begin(): void {
    this.#open ??= this.#begin();
  }

  /** Writes whole messages. */
  write(bytes: Uint8Array): void {
    const { maxSize = Infinity } = this.#options;
    this.completeIfDue();
    const { size = 0 } = this.#open ?? {};
    if (size > 0 && size + bytes.length > maxSize) this.#complete();
    this.#open ??= this.#begin();
    try {
      for (let rest = bytes; rest.length > 0;) {
        rest = rest.subarray(this.#open.file.writeSync(rest));
      }
    } catch (error) {
      this.#failed = true;
      throw error;
    }
    this.#open.size += bytes.length;
  }

  /** Gives the file its name if its time is over: a quiet feed has no writes. */
  completeIfDue(): void {
    if (this.#open === undefined) return;
    const { base, since } = this.#open;
    const { maxAge = Infinity } = this.#options;
    const now = this.#now();
    if (base !== this.#base(now) || now - since >= maxAge) this.#complete();
  }

  /** Gives the last file its name. */
  [Symbol.dispose](): void {
    this.#complete();
  }

  #base(now: number): string {
    const { template, host } = this.#options;
    return fileName(template, { now, host, n: 1 });
  }

  #begin(): OpenFile {
    const { template, host } = this.#options;
    const now = this.#now();
    const base = this.#path = this.#base(now);
    const folder = base.replace(/[^/\\]*$/, "");
    if (folder !== "") Deno.mkdirSync(folder, { recursive: true });
    for (let n = 1;; n++) {
      const path = this.#path = fileName(template, { now, host, n });
      const file = exists(path) ? undefined : createNew(`${path}.part`);
      if (file !== undefined) return { file, path, base, since: now, size: 0 };
    }
  }

  #complete(): void {
    if (this.#open === undefined) return;
    using file = this.#open.file;
    const { path, size } = this.#open;
    this.#open = undefined;
    if (this.#failed) return;
    if (size === 0) return Deno.removeSync(`${path}.part`);
    // A name that survives a power cut must not be one of an empty file.
    file.syncDataSync();
    Deno.renameSync(`${path}.part`, path);
    this.#options.onComplete?.(path);
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The new file; undefined if there is one, perhaps of another process. */
function createNew(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path, { write: true, createNew: true });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

/** The facts that a name is made of. */
export interface NameFacts {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The host of the URL. */
  readonly host: string;
  /** Counts the files that would have the same name, from 1. */
  readonly n: number;
}

type Fill = (facts: NameFacts) => string;

const FILLS: Readonly<Record<FileField, Fill>> = {
  date: ({ now }) => new Date(now).toISOString().slice(0, 10),
  hour: ({ now }) => new Date(now).toISOString().slice(11, 13),
  minute: ({ now }) => new Date(now).toISOString().slice(14, 16),
  // `..` is a host of a URL, and must not be a folder's parent.
  host: ({ host }) => host.replace(/^\.+$/, "_").replaceAll(/[^\w.-]/g, "_"),
  n: ({ n }) => String(n).padStart(4, "0"),
};

/** The name of a file. Without `{n}` the second one is `name.2.ext`. */
export function fileName(template: string, facts: NameFacts): string {
  const fills: Readonly<Record<string, Fill>> = FILLS;
  const name = template.replaceAll(
    /\{(\w+)\}/g,
    (whole, field: string) => fills[field]?.(facts) ?? whole,
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

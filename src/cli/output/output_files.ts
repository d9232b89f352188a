/**
 * The payload in files that follow one another. A file is complete when it has
 * its name: until then it ends in `.part`. So whoever collects files never
 * sees half of one, and what a crash leaves behind is still there to read.
 *
 * A new file begins between two messages, never within one.
 *
 * @module
 */

import { fileName } from "./file_template.ts";
import type { Sink } from "./output.ts";

/** How files follow one another. */
export interface RotationOptions {
  readonly template: string;
  /** The host of the URL, for the name. */
  readonly host: string;
  /** Begin a new file before this one gets larger, in bytes. */
  readonly maxSize?: number;
  /** Begin a new file at this age, in milliseconds. */
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

/** Writes to one file after another. */
export class OutputFiles implements Sink, Disposable {
  readonly #options: RotationOptions;
  readonly #now: () => number;
  #open: OpenFile | undefined;

  /** @param now the clock, in milliseconds since the epoch */
  constructor(options: RotationOptions, now: () => number = Date.now) {
    this.#options = options;
    this.#now = now;
  }

  /** Writes whole messages. */
  write(bytes: Uint8Array): void {
    const { maxSize = Infinity } = this.#options;
    this.completeIfDue();
    const { size = 0 } = this.#open ?? {};
    if (size > 0 && size + bytes.length > maxSize) this.#complete();
    this.#open ??= this.#begin();
    for (let rest = bytes; rest.length > 0;) {
      rest = rest.subarray(this.#open.file.writeSync(rest));
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
    const base = this.#base(now);
    const folder = base.replace(/[^/\\]*$/, "");
    if (folder !== "") Deno.mkdirSync(folder, { recursive: true });
    for (let n = 1;; n++) {
      const path = fileName(template, { now, host, n });
      const file = exists(path) ? undefined : createNew(`${path}.part`);
      if (file !== undefined) return { file, path, base, since: now, size: 0 };
    }
  }

  #complete(): void {
    if (this.#open === undefined) return;
    const { file, path } = this.#open;
    this.#open = undefined;
    // A name that survives a power cut must not be one of an empty file.
    file.syncDataSync();
    file.close();
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

/**
 * Room on the disk that is reserved for erasing.
 *
 * SQLite cannot erase on a full disk: the change goes into the log, and the log
 * can be emptied only when the database has grown by the new pages in it. A
 * spool that has filled its disk itself would stay full for ever. So a file
 * beside it takes up the room that erasing needs, and is emptied for it.
 *
 * @module
 */

import { randomFillSync } from "node:crypto";
import { createPrivate, ifThere, sizeOf } from "./files.ts";

/** The suffix of the reserve's file. */
export const RESERVE = "-reserve";

const BLOCK_SIZE = 128 * 1024;

/** The reserve of one spool. */
export class Reserve {
  readonly #path: string;
  #size: number;

  /** A killed process may have left its file. */
  constructor(path: string) {
    this.#path = path;
    this.#size = sizeOf(path);
  }

  /** How many bytes are reserved. */
  get size(): number {
    return this.#size;
  }

  /**
   * Reserves at least `size` bytes.
   * @throws there is no room for them; then nothing has changed
   */
  keep(size: number): void {
    if (this.#size >= size) return;
    createPrivate(this.#path);
    using file = Deno.openSync(this.#path, { append: true });
    try {
      // Some file systems compress: zeros would take up no room.
      const block = randomFillSync(new Uint8Array(BLOCK_SIZE));
      for (let at = this.#size; at < size;) at += file.writeSync(block);
      this.#size = file.statSync().size;
    } catch (error) {
      file.truncateSync(this.#size);
      throw error;
    }
  }

  /** Gives all but `rest` bytes back to the disk. */
  release(rest = 0): void {
    if (this.#size <= rest) return;
    ifThere(() => Deno.truncateSync(this.#path, rest));
    this.#size = rest;
  }

  /** Gives everything back, and leaves no file. */
  remove(): void {
    ifThere(() => Deno.removeSync(this.#path));
    this.#size = 0;
  }
}

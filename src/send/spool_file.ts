/**
 * The file behind a queue: one SQLite database, held by one process at a time.
 *
 * - What {@linkcode SqliteSpool.write} has returned from is on the disk: with
 *   `synchronous=FULL` each commit is synced, so that a power cut counts.
 * - The lock is SQLite's own, on the file, so that the kernel frees it when the
 *   process dies, however it dies.
 * - Texts are kept as bytes beside a flag: SQLite's own texts end at a NUL.
 * - Each row has a checksum: SQLite does not notice when a message is damaged.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import type { Message } from "../message.ts";
import { described, faultOf, notASpool, SpoolFault } from "./spool_fault.ts";
import { sizeOf } from "./spool_log.ts";

/** A message that was found in the file. */
export interface Stored {
  readonly row: number;
  readonly data: Message;
  /** In milliseconds since the epoch; `Infinity` for never. */
  readonly expires: number;
  readonly key: string | undefined;
}

/** An open file. Every method may throw what SQLite throws. */
export interface SpoolFile {
  /** Keeps messages, and erases rows: all of it, or nothing if it throws. */
  write(messages: readonly Stored[], erased: readonly number[]): void;
  /** Erases rows; should the power be cut, they may be back. */
  erase(rows: readonly number[]): void;
  /** Gives unused room back to the disk, some at a time; whether there is more. */
  shrink(): boolean;
  close(): void;
}

/** "wssp": tells our files from other programs'. */
const APPLICATION_ID = 0x77737370;
const VERSION = 2;

const SCHEMA = `
  CREATE TABLE message (
    row INTEGER PRIMARY KEY,
    data BLOB NOT NULL,
    is_text INTEGER NOT NULL,
    expires REAL,
    key TEXT,
    checksum INTEGER NOT NULL
  )`;

/** Of SQLite's files, in bytes. */
const SMALLEST_PAGE = 512;
/** What no other program's file has in its first page. */
export const SCHEMA_MARK = "is_text INTEGER NOT NULL";

/** Messages that are read in one piece. */
const ROWS_AT_A_TIME = 100;
/** Pages of unused room that are given back at a time, and tolerated. */
const PAGES_AT_A_TIME = 256;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An open and locked file. Every method may throw what SQLite throws. */
export class SqliteSpool implements SpoolFile {
  readonly #db: DatabaseSync;
  /** Whether there is nothing in it yet, after `lock`. */
  isNew: boolean;
  #insert: StatementSync | undefined;
  #delete: StatementSync | undefined;

  /** Opens the file, without a look at it. */
  constructor(path: string) {
    const size = sizeOf(path);
    // SQLite would take it for a new one.
    if (size > 0 && size < SMALLEST_PAGE) throw notASpool();
    this.isNew = size === 0;
    this.#db = openDatabase(path, false);
  }

  /**
   * Whether there may be messages in a log beside the file.
   * @throws {SpoolFault} it is in use, or not a database
   */
  static hasLog(path: string): boolean {
    // A log is never changed through a database that is read only.
    const db = openDatabase(path, true);
    try {
      return db.prepare("PRAGMA journal_mode").get()?.journal_mode === "wal";
    } catch (cause) {
      throw faultOf(cause);
    } finally {
      db.close();
    }
  }

  /**
   * Takes the lock, and changes nothing that is there.
   * @throws {SpoolFault} it is another program's, or in use
   */
  lock(): void {
    try {
      // This has to come first, and would write to a file that is not new.
      if (this.isNew) this.#pragma("auto_vacuum = INCREMENTAL");
      // In this mode the log needs no third file, and the lock is kept.
      this.#pragma("locking_mode = EXCLUSIVE");
      this.#run("BEGIN EXCLUSIVE");
      this.#checkIdentity();
      this.#run("COMMIT");
    } catch (cause) {
      throw faultOf(cause);
    }
  }

  /**
   * Makes it ready for use. With a log a commit costs one sync; without one the
   * disk has no second file.
   */
  prepare(hasLog: boolean): void {
    try {
      this.#pragma(`journal_mode = ${hasLog ? "WAL" : "TRUNCATE"}`);
      // When the log starts anew nothing old is left in it: what its end looks
      // like then tells damage from a process that was killed.
      this.#pragma("journal_size_limit = 0");
      this.#pragma("synchronous = FULL");
      if (!this.isNew) return;
      this.#run("BEGIN IMMEDIATE");
      this.#run(SCHEMA);
      this.#pragma(`application_id = ${APPLICATION_ID}`);
      this.#pragma(`user_version = ${VERSION}`);
      this.#run("COMMIT");
    } catch (cause) {
      this.#rollBack();
      throw faultOf(cause);
    }
  }

  /**
   * The messages, in order.
   * @throws {SpoolFault} they cannot be read
   */
  *messages(): Generator<Stored, undefined> {
    try {
      // Not by `iterate`, which ends without a word where the file is damaged.
      const some = this.#db.prepare(
        "SELECT * FROM message WHERE row > ? ORDER BY row LIMIT ?",
      );
      let last = 0;
      for (
        let found = some.all(last, ROWS_AT_A_TIME);
        found.length > 0;
        found = some.all(last, ROWS_AT_A_TIME)
      ) {
        for (const stored of found.map(toStored)) {
          last = stored.row;
          yield stored;
        }
      }
    } catch (cause) {
      throw faultOf(cause);
    }
  }

  /**
   * The messages of a damaged file that can be read: from both ends, each until
   * what is damaged comes, so that many of them come twice.
   */
  *readableMessages(): Generator<Stored, undefined> {
    for (const order of ["ASC", "DESC"]) {
      const all = `SELECT * FROM message ORDER BY row ${order}`;
      try {
        for (const found of this.#db.prepare(all).iterate()) {
          const stored = readRow(found);
          if (stored !== undefined) yield stored;
        }
      } catch {
        // As far as it could be read.
      }
    }
  }

  /** From now on what is written is on the disk once the file is synced. */
  dontSync(): void {
    this.#pragma("synchronous = OFF");
  }

  /**
   * Looks through the whole file.
   * @throws {SpoolFault} it is damaged
   */
  check(): void {
    let state: unknown;
    try {
      state = this.#pragma("quick_check(1)");
    } catch (cause) {
      throw faultOf(cause);
    }
    if (state === "ok") return;
    const text = String(state).replace(/^\*\*\*.*\*\*\*\s*/, "");
    throw new SpoolFault("damaged", text.replaceAll(/\s+/g, " "));
  }

  write(messages: readonly Stored[], erased: readonly number[]): void {
    try {
      this.#write(messages, erased);
    } catch (error) {
      // On a full disk erasing takes room too, in the log: empty that first.
      if (!this.#emptyLog()) throw described(error);
      try {
        this.#write(messages, erased);
      } catch (cause) {
        throw described(cause);
      }
    }
  }

  erase(rows: readonly number[]): void {
    this.#pragma("synchronous = NORMAL");
    try {
      this.write([], rows);
    } finally {
      this.#pragma("synchronous = FULL");
    }
  }

  shrink(): boolean {
    const unused = Number(this.#pragma("freelist_count"));
    if (unused <= PAGES_AT_A_TIME) return false;
    // It does one page a step.
    this.#db.prepare(`PRAGMA incremental_vacuum(${PAGES_AT_A_TIME})`).all();
    const hasMore = unused > 2 * PAGES_AT_A_TIME;
    if (!hasMore) this.#emptyLog();
    return hasMore;
  }

  close(): void {
    try {
      // Without a log the file can be opened by a process that may open nothing
      // else.
      this.#pragma("journal_mode = DELETE");
    } catch {
      // The disk is full, say: the log stays, and is read the next time.
    }
    this.#db.close();
  }

  /** Closes a damaged file, and leaves it as it is. */
  abandon(): void {
    this.#db.close();
  }

  #checkIdentity(): void {
    const isEmpty = this.#pragma("schema_version") === 0 &&
      Number(this.#pragma("page_count")) <= 1;
    const id = this.#pragma("application_id");
    this.isNew = id === 0 && isEmpty;
    if (this.isNew) return;
    if (id !== APPLICATION_ID) throw notASpool();
    if (this.#pragma("user_version") !== VERSION) {
      throw new SpoolFault(
        "foreign",
        "another version of this module wrote it",
      );
    }
  }

  #pragma(text: string): unknown {
    const row = this.#db.prepare(`PRAGMA ${text}`).get();
    return row === undefined ? undefined : Object.values(row)[0];
  }

  /** Not by `exec`, whose errors have no code. */
  #run(text: string): void {
    this.#db.prepare(text).run();
  }

  #write(messages: readonly Stored[], erased: readonly number[]): void {
    const insert = this.#insert ??= this.#db.prepare(
      "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?)",
    );
    const erase = this.#delete ??= this.#db.prepare(
      "DELETE FROM message WHERE row = ?",
    );
    this.#run("BEGIN IMMEDIATE");
    try {
      for (const row of erased) erase.run(row);
      for (const { row, data, expires, key } of messages) {
        const isText = typeof data === "string";
        const bytes = isText ? encoder.encode(data) : data;
        insert.run(
          row,
          bytes,
          isText ? 1 : 0,
          expires === Infinity ? null : expires,
          // As JSON for the sake of NULs and lone surrogates.
          key === undefined ? null : JSON.stringify(key),
          crc32(bytes),
        );
      }
      this.#run("COMMIT");
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  #emptyLog(): boolean {
    try {
      return this.#pragma("wal_checkpoint(TRUNCATE)") === 0;
    } catch {
      // The disk takes nothing at all: the first error says so.
      return false;
    }
  }

  #rollBack(): void {
    try {
      this.#run("ROLLBACK");
    } catch {
      // When the disk is full SQLite has done so by itself.
    }
  }
}

function openDatabase(path: string, readOnly: boolean): DatabaseSync {
  try {
    // A name that SQLite reads no special meaning into.
    const name = /^(:|file:)/.test(path) ? `./${path}` : path;
    return new DatabaseSync(name, { readOnly });
  } catch (cause) {
    throw faultOf(cause);
  }
}

function toStored(found: Record<string, unknown>): Stored {
  const stored = readRow(found);
  if (stored !== undefined) return stored;
  throw new SpoolFault("damaged", "a message is not as it was written");
}

/** `undefined`: it is not as it was written. */
function readRow(found: Record<string, unknown>): Stored | undefined {
  const { row, data, is_text, expires, key, checksum } = found;
  if (
    typeof row !== "number" || !(data instanceof Uint8Array) ||
    crc32(data) !== checksum
  ) return undefined;
  return {
    row,
    data: is_text === 1 ? decoder.decode(data) : data,
    expires: typeof expires === "number" ? expires : Infinity,
    key: typeof key === "string" ? String(JSON.parse(key)) : undefined,
  };
}

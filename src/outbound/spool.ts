/**
 * A queue in a file: one SQLite database, held by one process at a time.
 *
 * - What {@linkcode Spool.write} has returned from is on the disk: WAL with
 *   `synchronous=FULL` syncs at each commit, so that a power cut counts.
 * - The lock is SQLite's own, on the file, so that the kernel frees it when the
 *   process dies, however it dies.
 * - Texts are kept as bytes beside a flag: SQLite's own texts end at a NUL.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Message } from "../message.ts";

/** A message that was found in the file. */
export interface Stored {
  readonly row: number;
  readonly data: Message;
  /** In milliseconds since the epoch; `Infinity` for never. */
  readonly expires: number;
  readonly key: string | undefined;
}

/** A message to be kept. */
export interface Put {
  readonly data: Message;
  readonly expires: number;
  readonly key: string | undefined;
  /** The row it overwrites, or 0 for a new one; the row it got, afterwards. */
  row: number;
}

/** Why a file cannot be a spool. */
export class SpoolFault extends Error {
  /** `foreign`: it is a sound database, but of somebody else. */
  readonly kind: "damaged" | "locked" | "foreign";

  constructor(kind: SpoolFault["kind"], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** "wssp": tells our files from other programs'. */
const APPLICATION_ID = 0x77737370;
const VERSION = 1;

// https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

const SCHEMA = `
  BEGIN;
  CREATE TABLE message (
    row INTEGER PRIMARY KEY,
    data BLOB NOT NULL,
    is_text INTEGER NOT NULL,
    expires REAL,
    key TEXT
  );
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};
  COMMIT;`;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An open spool. Every method may throw what SQLite throws. */
export class Spool {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;

  /**
   * Opens the file, or makes it.
   * @throws {SpoolFault} it cannot be a spool of ours
   */
  constructor(path: string) {
    // A name that SQLite reads no special meaning into.
    this.#db = new DatabaseSync(/^(:|file:)/.test(path) ? `./${path}` : path);
    try {
      this.#prepareFile();
      this.#insert = this.#db.prepare(
        "INSERT INTO message (data, is_text, expires, key) VALUES (?, ?, ?, ?)",
      );
      this.#update = this.#db.prepare(
        "UPDATE message SET data = ?, is_text = ?, expires = ?, key = ? " +
          "WHERE row = ?",
      );
      this.#delete = this.#db.prepare("DELETE FROM message WHERE row = ?");
    } catch (cause) {
      this.#db.close();
      throw faultOf(cause) ?? cause;
    }
  }

  /**
   * All that is kept, in the order in which it was first written.
   * @throws {SpoolFault} it cannot be read
   */
  load(): Stored[] {
    try {
      return this.#db
        .prepare(
          "SELECT row, data, is_text, expires, key FROM message ORDER BY row",
        )
        .all()
        .map(toStored);
    } catch (cause) {
      throw faultOf(cause) ?? cause;
    }
  }

  /** Keeps messages and erases rows: all of it, or nothing if it throws. */
  write(puts: readonly Put[], erased: Iterable<number> = []): void {
    try {
      this.#write(puts, erased);
    } catch (error) {
      // On a full disk erasing takes room too, in the log: empty that first.
      if (!this.#emptyLog()) throw error;
      this.#write(puts, erased);
    }
  }

  /**
   * Erases rows without waiting for the disk: should the power be cut, they
   * are back.
   */
  erase(rows: Iterable<number>): void {
    this.#db.exec("PRAGMA synchronous = NORMAL");
    try {
      this.write([], rows);
    } finally {
      this.#db.exec("PRAGMA synchronous = FULL");
    }
  }

  close(): void {
    this.#db.close();
  }

  #prepareFile(): void {
    // First of all: in this mode WAL needs no third file, and the first read
    // takes the lock for good.
    this.#pragma("locking_mode = EXCLUSIVE");
    const id = this.#pragma("application_id");
    const isNew = id === 0 && this.#pragma("schema_version") === 0;
    if (!isNew && id !== APPLICATION_ID) {
      throw new SpoolFault("foreign", "it is another program's database");
    }
    if (!isNew && this.#pragma("user_version") !== VERSION) {
      throw new SpoolFault(
        "foreign",
        "another version of this module wrote it",
      );
    }
    const state = this.#pragma("quick_check(1)");
    if (state !== "ok") throw new SpoolFault("damaged", String(state));
    this.#pragma("journal_mode = WAL");
    this.#db.exec("PRAGMA synchronous = FULL");
    if (isNew) this.#db.exec(SCHEMA);
  }

  #pragma(text: string): unknown {
    const row = this.#db.prepare(`PRAGMA ${text}`).get();
    return row === undefined ? undefined : Object.values(row)[0];
  }

  #put({ data, expires, key, row }: Put): number {
    const isText = typeof data === "string";
    const values = [
      isText ? encoder.encode(data) : data,
      isText ? 1 : 0,
      expires === Infinity ? null : expires,
      // As JSON for the sake of NULs and lone surrogates.
      key === undefined ? null : JSON.stringify(key),
    ] as const;
    if (row === 0) return Number(this.#insert.run(...values).lastInsertRowid);
    this.#update.run(...values, row);
    return row;
  }

  #write(puts: readonly Put[], erased: Iterable<number>): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const row of erased) this.#delete.run(row);
      const rows = puts.map((put) => this.#put(put));
      this.#db.exec("COMMIT");
      puts.forEach((put, index) => put.row = rows[index] ?? put.row);
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
      this.#db.exec("ROLLBACK");
    } catch {
      // When the disk is full SQLite has done so by itself.
    }
  }
}

function toStored(row: Record<string, unknown>): Stored {
  const { data, is_text, expires, key } = row;
  if (!(data instanceof Uint8Array) || typeof row.row !== "number") {
    throw new SpoolFault("damaged", "a row is not as it was written");
  }
  return {
    row: row.row,
    data: is_text === 1 ? decoder.decode(data) : data,
    expires: typeof expires === "number" ? expires : Infinity,
    key: typeof key === "string" ? String(JSON.parse(key)) : undefined,
  };
}

function faultOf(cause: unknown): SpoolFault | undefined {
  if (!(cause instanceof Error)) return undefined;
  // What `exec` throws has no code, and the text is the same in every version.
  const code = "errcode" in cause ? Number(cause.errcode) & 0xff : undefined;
  if (code === SQLITE_BUSY || cause.message === "database is locked") {
    return new SpoolFault("locked", "somebody else has it open", cause);
  }
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB
    ? new SpoolFault("damaged", cause.message, cause)
    : undefined;
}

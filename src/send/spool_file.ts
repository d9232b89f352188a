/**
 * The file behind a queue: one SQLite database, held by one process at a time.
 *
 * - Data is on the disk when {@linkcode SqliteSpool.write} returns: with
 *   `synchronous=FULL` each commit is synced and survives a power cut.
 * - The lock is SQLite's own, on the file, so that the kernel frees it whenever
 *   the process ends, even by a signal.
 * - Texts are kept as bytes beside a flag: SQLite's own texts end at a NUL.
 * - Room to erase on a full disk is reserved before a message is accepted.
 * - Each row has a checksum: SQLite does not notice when a message is damaged.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { causeText } from "../errors.ts";
import type { Message } from "../message.ts";
import { sizeOf } from "./files.ts";
import { RESERVE, Reserve } from "./spool_reserve.ts";

/** A message that was found in the file. */
export interface Stored {
  readonly row: number;
  readonly data: Message;
  /** In milliseconds since the epoch; `Infinity` for never. */
  readonly expires: number;
  readonly key: string | undefined;
}

/** An open file. Every method may throw. */
export interface SpoolFile {
  /** Keeps messages, and erases rows: all of it, or nothing if it throws. */
  write(messages: readonly Stored[], erased: readonly number[]): void;
  /** Erases rows; after a power cut they may be there again. */
  erase(rows: readonly number[]): void;
  /** Erases all rows, which is faster than one by one. */
  clear(): void;
  /** Gives some unused room back to the disk; whether there is more. */
  shrink(): boolean;
  close(): void;
}

/** Why a file cannot be a spool, or cannot be changed. */
export class SpoolFault extends Error {
  /**
   * - `foreign`: it is another program's, or another version's
   * - `full`: there is no room for a change, on its disk or in a quota
   */
  readonly kind: "damaged" | "locked" | "foreign" | "full";

  constructor(kind: SpoolFault["kind"], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
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
/** A text that no other program's file has in its first page. */
const SCHEMA_MARK = "is_text INTEGER NOT NULL";

/** The smallest page of SQLite's files, in bytes. */
const SMALLEST_PAGE = 512;
const PAGE_SIZE = 4096;

/** Messages that are read in one piece. */
const ROWS_AT_A_TIME = 100;
/** Pages of unused room that are given back at a time, and tolerated. */
const PAGES_AT_A_TIME = 256;
/** On a full disk: moving a page takes room for two in the log. */
const FEW_PAGES = 16;
/** Enough to erase the largest message, or `FEW_PAGES`; in bytes. */
const LEAST_RESERVE = 256 * 1024;

/** A row that is no message: it only takes up room. */
const FILLER: Stored = {
  row: -1,
  data: new Uint8Array(LEAST_RESERVE),
  expires: Infinity,
  key: undefined,
};

// https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5;
/** Of a write: a quota, or a limit of the file's size, is reached. */
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
/** SQLite's own words do not say what is wrong with the file. */
const MEANINGS = new Map([
  [8, "it is read-only"],
  [SQLITE_IOERR, "the disk or the file does not take what is written"],
  [SQLITE_FULL, "the disk is full"],
  [14, "it cannot be opened"],
]);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** An open file. Every method may throw a {@linkcode SpoolFault}. */
export class SqliteSpool implements SpoolFile {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Only beside a log. */
  #reserve: Reserve | undefined;
  /** The size of the file when the reserve was last fitted. */
  #size = 0;
  /** Whether a change did not fit at once, and no message has fitted since. */
  #isDiskFull = false;
  /** Whether there is nothing in it yet, after `lock`. */
  isNew: boolean;

  /** Opens the file without reading it. */
  constructor(path: string, readOnly = false) {
    const size = sizeOf(path);
    this.#path = path;
    this.isNew = size === 0;
    // SQLite would treat it as a new one.
    if (size > 0 && size < SMALLEST_PAGE) throw this.#notASpool();
    // A name that has no special meaning for SQLite.
    const name = /^(:|file:)/.test(path) ? `./${path}` : path;
    this.#db = this.#try(() => new DatabaseSync(name, { readOnly }));
  }

  /** Whether there may be messages in a log beside the file. */
  get hasLog(): boolean {
    return this.#pragma("journal_mode") === "wal";
  }

  /** Takes the lock, and changes nothing that is there. */
  lock(): void {
    // This has to come first, and would write to a file that is not new.
    if (this.isNew) this.#pragma("auto_vacuum = INCREMENTAL");
    // In this mode the log needs no third file, and the lock is kept.
    this.#pragma("locking_mode = EXCLUSIVE");
    this.#run("BEGIN EXCLUSIVE");
    this.#checkIdentity();
    this.#run("COMMIT");
  }

  /**
   * Makes it ready for use. With a log a commit costs one sync, but checking a
   * log takes permission for it.
   */
  prepare(hasLog: boolean): void {
    this.#pragma(`journal_mode = ${hasLog ? "WAL" : "PERSIST"}`);
    // When the log starts anew, nothing old is left in it: then its end shows
    // whether it is damaged or a process was killed.
    this.#pragma(`journal_size_limit = ${hasLog ? 0 : LEAST_RESERVE}`);
    this.#pragma("synchronous = FULL");
    if (!this.isNew) return;
    this.#transact(() => {
      this.#run(SCHEMA);
      this.#pragma(`application_id = ${APPLICATION_ID}`);
      this.#pragma(`user_version = ${VERSION}`);
    });
  }

  /** Reserves room to erase on a full disk: beside the log, or in the journal. */
  reserve(hasLog: boolean, messages: readonly Stored[]): void {
    if (hasLog) {
      this.#reserve = new Reserve(this.#path + RESERVE);
      return this.#fitReserve();
    }
    // What a transaction changes goes into the journal, which keeps its size.
    const changed = inManyPages(messages);
    try {
      if (changed.length === 0) {
        this.write([FILLER], []);
        changed.push(FILLER);
      }
      this.write(changed, changed.map(({ row }) => row));
    } catch {
      // The disk is full already.
    }
    try {
      this.write([], [FILLER.row]);
      this.#vacuum(PAGES_AT_A_TIME);
    } catch {
      // The next process that opens the file tries again.
    }
  }

  /** The messages, in order. */
  *messages(): Generator<Stored, undefined> {
    // Not by `iterate`, which ends silently where the file is damaged.
    const some = "SELECT * FROM message WHERE row > ? ORDER BY row LIMIT ?";
    let last = 0;
    while (true) {
      const found = this.#try(() =>
        this.#statement(some).all(last, ROWS_AT_A_TIME)
      );
      if (found.length === 0) return;
      for (const stored of found.map(readRow)) {
        if (stored === undefined) {
          const text = "a message is not as it was written";
          throw new SpoolFault("damaged", text);
        }
        last = stored.row;
        yield stored;
      }
    }
  }

  /**
   * The messages of a damaged file that can be read: from both ends, each until
   * the damaged part, so that many messages come twice.
   */
  *readableMessages(): Generator<Stored, undefined> {
    for (const order of ["ASC", "DESC"]) {
      const all = `SELECT * FROM message WHERE row > 0 ORDER BY row ${order}`;
      try {
        for (const found of this.#statement(all).iterate()) {
          const stored = readRow(found);
          if (stored !== undefined) yield stored;
        }
      } catch {
        // The rest cannot be read.
      }
    }
  }

  /** From now on writes are on the disk only after the file is synced. */
  dontSync(): void {
    this.#pragma("synchronous = OFF");
  }

  /** Checks the whole file. */
  check(): void {
    const state = this.#pragma("quick_check(1)");
    if (state === "ok") return;
    const text = String(state).replace(/^\*\*\*.*\*\*\*\s*/, "");
    throw new SpoolFault("damaged", text.replaceAll(/\s+/g, " "));
  }

  write(messages: readonly Stored[], erased: readonly number[]): void {
    const fits = this.#change(() =>
      this.#transact(() => {
        for (const [first, last] of ranges(erased)) {
          this.#run(
            "DELETE FROM message WHERE row BETWEEN ? AND ?",
            first,
            last,
          );
        }
        if (messages.length === 0) return;
        for (const stored of messages) this.#insert(stored);
        this.#reserveEnough();
      })
    );
    if (fits && messages.length > 0) this.#isDiskFull = false;
  }

  erase(rows: readonly number[]): void {
    this.#pragma("synchronous = NORMAL");
    try {
      this.write([], rows);
    } finally {
      this.#pragma("synchronous = FULL");
    }
  }

  clear(): void {
    this.#change(() => this.#run("DELETE FROM message"));
  }

  shrink(): boolean {
    const tolerated = this.#isDiskFull ? 0 : PAGES_AT_A_TIME;
    if (this.#unusedPages <= tolerated) return false;
    this.#change((isSecondTry) =>
      this.#vacuum(isSecondTry ? FEW_PAGES : PAGES_AT_A_TIME)
    );
    const hasMore = this.#unusedPages > tolerated;
    if (!hasMore || this.#isDiskFull) this.#emptyLog();
    this.#fitReserve();
    return hasMore;
  }

  close(): void {
    try {
      this.#reserve?.remove();
      // Without a log the file can be opened by a process that may open nothing
      // else.
      this.#pragma("journal_mode = DELETE");
    } catch {
      // The disk may be full: the log stays, and is read the next time.
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
    if (id !== APPLICATION_ID) throw this.#notASpool();
    if (this.#pragma("user_version") !== VERSION) {
      const text = "another version of this module wrote it";
      throw new SpoolFault("foreign", text);
    }
  }

  #insert({ row, data, expires, key }: Stored): void {
    const isText = typeof data === "string";
    const bytes = isText ? encoder.encode(data) : data;
    this.#run(
      "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?)",
      row,
      bytes,
      isText ? 1 : 0,
      expires === Infinity ? null : expires,
      // As JSON for the sake of NULs and lone surrogates.
      key === undefined ? null : JSON.stringify(key),
      crc32(bytes),
    );
  }

  #transact(change: () => void): void {
    this.#run("BEGIN IMMEDIATE");
    try {
      change();
      this.#run("COMMIT");
    } catch (error) {
      try {
        this.#run("ROLLBACK");
      } catch {
        // When the disk is full, SQLite has already rolled back.
      }
      throw error;
    }
  }

  /**
   * Makes a change; if the disk is full, tries once more with the reserve's
   * room. Returns whether the first try succeeded.
   */
  #change(change: (isSecondTry: boolean) => void): boolean {
    try {
      change(false);
      return true;
    } catch (error) {
      // The part that was written to the log would look like damage.
      this.#emptyLog();
      const isFull = error instanceof SpoolFault && error.kind === "full";
      if (!isFull) throw error;
      this.#isDiskFull = true;
    }
    try {
      this.#reserve?.release();
      this.#emptyLog();
      change(true);
      return false;
    } catch (error) {
      this.#emptyLog();
      throw error;
    } finally {
      this.#fitReserve();
    }
  }

  #emptyLog(): void {
    try {
      this.#pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // The disk is full: the change fails, too, and reports it.
    }
  }

  /** Before messages are accepted: enough for what they add to the file. */
  #reserveEnough(): void {
    const reserve = this.#reserve;
    if (reserve === undefined || reserve.size >= this.#neededReserve) return;
    this.#size = sizeOf(this.#path);
    try {
      reserve.keep(this.#neededReserve);
    } catch (cause) {
      const text = `no room can be reserved on its disk: ${causeText(cause)}`;
      throw new SpoolFault("full", text, cause);
    }
  }

  /** Reserves as much as is needed now, if there is room. */
  #fitReserve(): void {
    this.#size = sizeOf(this.#path);
    try {
      this.#reserve?.release(this.#neededReserve);
      this.#reserveEnough();
    } catch {
      // No message is accepted without it.
    }
  }

  /** Enough to empty the log into the file, and then to erase; in bytes. */
  get #neededReserve(): number {
    const row = this.#try(() => this.#statement("PRAGMA page_count").get());
    const size = Number(row?.page_count) * PAGE_SIZE;
    return Math.max(0, size - this.#size) + LEAST_RESERVE;
  }

  /** Each step of the statement frees one page. */
  #vacuum(pages: number): void {
    this.#try(() =>
      this.#db.prepare(`PRAGMA incremental_vacuum(${pages})`).all()
    );
  }

  get #unusedPages(): number {
    return Number(this.#pragma("freelist_count"));
  }

  /** Not cached: some of them take effect while they are prepared. */
  #pragma(text: string): unknown {
    const row = this.#try(() => this.#db.prepare(`PRAGMA ${text}`).get());
    return row === undefined ? undefined : Object.values(row)[0];
  }

  /** Not by `exec`, whose errors have no code. */
  #run(text: string, ...values: (number | string | Uint8Array | null)[]): void {
    this.#try(() => this.#statement(text).run(...values));
  }

  #statement(text: string): StatementSync {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }

  /** @throws {SpoolFault} or an error whose text says what to do */
  #try<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      if (!(cause instanceof Error && "errcode" in cause)) throw cause;
      const code = Number(cause.errcode) & 0xff;
      const { message } = cause;
      if (code === SQLITE_BUSY) {
        const text = "another client has it open";
        throw new SpoolFault("locked", text, cause);
      }
      if (code === SQLITE_NOTADB) throw this.#notASpool(cause);
      if (code === SQLITE_CORRUPT) {
        throw new SpoolFault("damaged", message, cause);
      }
      const meaning = MEANINGS.get(code);
      if (meaning === undefined) throw cause;
      const text = `${meaning} (${message})`;
      if (code === SQLITE_FULL || code === SQLITE_IOERR) {
        throw new SpoolFault("full", text, cause);
      }
      throw new Error(text, { cause });
    }
  }

  /** A file without the marks of a spool may be one whose header is damaged. */
  #notASpool(cause?: unknown): SpoolFault {
    const page = sizeOf(this.#path) > 0 ? firstPage(this.#path) : undefined;
    const isDamaged = new TextDecoder().decode(page).includes(SCHEMA_MARK);
    const kind = isDamaged ? "damaged" : "foreign";
    return new SpoolFault(kind, "it is not a spool", cause);
  }
}

/** Only of a file that is not locked: the lock would be gone. */
export function firstPage(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  const page = new Uint8Array(PAGE_SIZE);
  file.readSync(page);
  return page;
}

/** The first and last row of each run of consecutive rows. */
function ranges(rows: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const row of rows) {
    const range = found.at(-1);
    if (range?.[1] === row - 1) range[1] = row;
    else found.push([row, row]);
  }
  return found;
}

/**
 * Some of the messages, which together are in nearly as many pages as the
 * reserve has; none if there are too few.
 */
function inManyPages(messages: readonly Stored[]): Stored[] {
  const found: Stored[] = [];
  let room = LEAST_RESERVE;
  let apart = 0;
  for (const stored of messages) {
    const { length } = stored.data;
    apart += length;
    const size = Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    if (apart < PAGE_SIZE || size > room) continue;
    found.push(stored);
    apart = 0;
    room -= size;
  }
  return room > LEAST_RESERVE / 2 ? [] : found;
}

/** `undefined` if the row is damaged. */
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

/**
 * The queue's copy on the disk (`spool`): staged messages are written once a
 * turn of the event loop, in one transaction, and settled messages are erased.
 *
 * - When a write fails, the batch is split in halves, smallest messages first:
 *   one message that is too large for the disk does not make the others fail.
 * - A row is erased a little after its message has left, many at a time, and
 *   without waiting for the disk: a crash in between means a duplicate, no loss.
 *
 * @module
 */

import { causeText, WSError } from "../errors.ts";
import type { Item } from "./item.ts";
import type { SpoolFile, Stored } from "./spool_file.ts";
import type { OpenSpool } from "./spool_opening.ts";
import { Parts, type Turn } from "../turns.ts";

/** What a spool reports. */
export interface SpoolHooks {
  /** It is time to write the staged messages. */
  onCommit(): void;
  /** The file is damaged, or settled messages cannot be erased. */
  onError(error: WSError): void;
}

type State =
  | { readonly is: "unopened" }
  | { readonly is: "open"; readonly file: SpoolFile }
  | { readonly is: "closed" };

/** How long a row may outlive its message, in milliseconds. */
const ERASE_DELAY = 50;
/** After a failure. */
const ERASE_RETRY = 1_000;

/** Rows that are erased in one transaction. */
const ERASED_AT_A_TIME = 2_000;

/** Not before it is needed: without a spool there is no need for SQLite. */
const openFile: OpenSpool = async (...args) => {
  const { openSpool } = await import("./spool_opening.ts");
  return await openSpool(...args);
};

/** The spool of one queue. */
export class Spool {
  readonly #path: string;
  readonly #turn: Turn;
  readonly #hooks: SpoolHooks;
  readonly #opener: OpenSpool;
  #state: State = { is: "unopened" };
  #lastRow = 0;
  #erased: number[] = [];
  /** Whether the file may be larger than necessary. */
  #hasUnusedRoom = false;
  /** Whether the last change failed, which was reported. */
  #isFailing = false;
  #cancelCommit: (() => void) | undefined;
  #eraseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    path: string,
    turn: Turn,
    hooks: SpoolHooks,
    opener: OpenSpool = openFile,
  ) {
    this.#path = path;
    this.#turn = turn;
    this.#hooks = hooks;
    this.#opener = opener;
  }

  get isOpen(): boolean {
    return this.#state.is === "open";
  }

  /**
   * Opens the file; `restore` gets the messages in it.
   * @throws {WSError} `PERMISSION` or `SPOOL`, fatal
   */
  async open(
    now: number,
    restore: (messages: readonly Stored[]) => Promise<void>,
  ): Promise<void> {
    const { file, messages } = await this.#opener(
      this.#path,
      now,
      this.#hooks.onError,
    );
    this.#lastRow = messages.at(-1)?.row ?? 0;
    await restore(messages);
    // It may have been closed meanwhile.
    if (this.#state.is !== "unopened") return file.close();
    this.#state = { is: "open", file };
    this.commitSoon();
    // It may have been closed after a large backlog.
    this.#shrinkSoon();
  }

  /** Writes the staged messages after a turn of the event loop. */
  commitSoon(): void {
    if (this.#state.is !== "open") return;
    this.#cancelCommit ??= this.#turn(() => {
      this.#cancelCommit = undefined;
      this.#hooks.onCommit();
    });
  }

  /** The row of the next message. */
  nextRow(): number {
    return ++this.#lastRow;
  }

  /**
   * Writes items that have a row; returns the errors of those that could not be
   * written. `offset` is from their clock to the wall clock.
   */
  write(items: readonly Item[], offset: number): Map<Item, WSError> {
    const failed = new Map<Item, WSError>();
    if (this.#state.is !== "open" || items.length === 0) return failed;
    // The smallest first: where one does not fit, none that is larger does.
    const bySize = items.toSorted((a, b) => a.size - b.size);
    this.#writePart(this.#state.file, bySize, offset, failed);
    for (const item of failed.keys()) item.row = 0;
    if (failed.size > 0) this.#shrinkSoon();
    return failed;
  }

  /** The item has left the queue: it is erased soon. */
  erase(item: Item): void {
    if (item.row === 0) return;
    this.#erased.push(item.row);
    item.row = 0;
    this.#eraseAfter(ERASE_DELAY);
  }

  /** Erases items from the disk for good; `false` if that is not possible. */
  eraseNow(items: readonly Item[]): boolean {
    const rows = items.map(({ row }) => row).filter((row) => row !== 0);
    const isErased = this.#change((file) => file.write([], rows));
    if (isErased) { for (const item of items) item.row = 0; }
    return isErased;
  }

  /**
   * Erases the remaining settled messages, and closes the file: at once if they
   * are few. `isAll`: there are no other messages in it. Never rejects.
   */
  async close(isAll: boolean): Promise<void> {
    this.#cancelCommit?.();
    clearTimeout(this.#eraseTimer);
    if (isAll && this.#erased.length > 0) {
      this.#change((file) => {
        file.clear();
        this.#erased = [];
      });
    }
    const parts = new Parts();
    while (this.#erased.length > 0 && this.#eraseFromFile()) {
      if (parts.isOver) await parts.next();
    }
    this.#change((file) => file.close());
    this.#state = { is: "closed" };
  }

  /** Tries all at once, then the smaller half, then the other one. */
  #writePart(
    file: SpoolFile,
    items: readonly Item[],
    offset: number,
    failed: Map<Item, WSError>,
  ): void {
    let error: WSError;
    try {
      this.#eraseSome((rows) => {
        file.write(items.map((item) => toStored(item, offset)), rows);
        return rows.length;
      });
      return;
    } catch (cause) {
      error = this.#cannotWrite(cause);
    }
    const half = items.length >> 1;
    if (half > 0) this.#writePart(file, items.slice(0, half), offset, failed);
    const isFull = half === 0 || failed.size > 0;
    if (!isFull) this.#writePart(file, items.slice(half), offset, failed);
    else for (const item of items.slice(half)) failed.set(item, error);
  }

  #eraseAfter(ms: number): void {
    if (this.#eraseTimer !== undefined || this.#state.is === "closed") return;
    this.#eraseTimer = setTimeout(() => {
      this.#eraseTimer = undefined;
      const isDone = this.#erased.length > 0
        ? this.#eraseFromFile()
        : this.#shrink();
      if (!isDone) this.#eraseAfter(ERASE_RETRY);
      else if (this.#erased.length > 0) this.#eraseAfter(1);
      else if (this.#hasUnusedRoom) this.#eraseAfter(ERASE_DELAY);
    }, ms);
    Deno.unrefTimer(this.#eraseTimer);
  }

  #eraseFromFile(): boolean {
    return this.#change((file) =>
      this.#eraseSome((rows) => eraseMost(file, rows))
    );
  }

  #shrink(): boolean {
    if (this.#state.is !== "open") return false;
    try {
      this.#hasUnusedRoom = this.#state.file.shrink();
      return true;
    } catch (cause) {
      this.#reportOnce(cause);
      return false;
    }
  }

  /** Not all at once: that would block the event loop. */
  #eraseSome(erase: (rows: readonly number[]) => number): void {
    const count = erase(this.#erased.slice(0, ERASED_AT_A_TIME));
    this.#erased.splice(0, count);
    this.#hasUnusedRoom ||= count > 0;
  }

  #shrinkSoon(): void {
    this.#hasUnusedRoom = true;
    this.#eraseAfter(ERASE_DELAY);
  }

  /** Returns whether the change was made; a failure is reported. */
  #change(change: (file: SpoolFile) => void): boolean {
    if (this.#state.is !== "open") return false;
    try {
      change(this.#state.file);
      this.#isFailing = false;
      return true;
    } catch (cause) {
      // The rows stay listed: the next transaction erases them too.
      this.#reportOnce(cause);
      return false;
    }
  }

  /** Reports a failure, and no other one until a change succeeds. */
  #reportOnce(cause: unknown): void {
    if (!this.#isFailing) this.#hooks.onError(this.#cannotWrite(cause));
    this.#isFailing = true;
  }

  #cannotWrite(cause: unknown): WSError {
    const text = `Cannot write the spool ${this.#path}: ${causeText(cause)}`;
    return new WSError(text, { code: "SPOOL", severity: "transient", cause });
  }
}

/** Erases as many rows as a full disk allows; returns their number. */
function eraseMost(file: SpoolFile, rows: readonly number[]): number {
  try {
    file.erase(rows);
    return rows.length;
  } catch (error) {
    if (rows.length <= 1) throw error;
    return eraseMost(file, rows.slice(0, rows.length >> 1));
  }
}

function toStored(item: Item, offset: number): Stored {
  const { row, data, key, expires } = item;
  return { row, data, key, expires: expires + offset };
}

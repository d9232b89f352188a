/**
 * Queues what is on the disk: all that was taken in one turn of the event loop
 * is written in one transaction, and only then queued and confirmed.
 *
 * - If the disk does not take it, its senders hear of it (`SPOOL`) and nothing
 *   that was accepted before is touched.
 * - A row is erased when its message is settled or dropped; a little later and
 *   many at a time, without waiting for the disk: a crash in between means a
 *   duplicate, no loss.
 *
 * @module
 */

import { clearImmediate, setImmediate } from "node:timers";
import { WSError } from "../errors.ts";
import { type Entry, EntryList } from "./entry.ts";
import type { Intake } from "./intake.ts";
import type { Queue } from "./queue.ts";
import type { Put, Spool, Stored } from "./spool.ts";

/** What the spool is filled by, and whom it fills. */
export interface SpoolHost {
  /** What was in the file, in order. */
  restored(stored: readonly Stored[]): void;
  /** The message is on the disk. */
  enqueue(entry: Entry): void;
  /** That was all for now. */
  enqueued(): void;
  /** The message is not on the disk, and nobody waits to hear of it. */
  lost(entry: Entry): void;
  onError(error: WSError): void;
  now(): number;
}

/** How the file is opened. */
export type Opener = (
  now: number,
  onDamaged: (error: WSError) => void,
) => Promise<{ readonly spool: SpoolFile; readonly stored: Stored[] }>;

/** Opens the spool with this path. */
export function spoolAt(path: string): Opener {
  return async (now, onDamaged) => {
    // Not before: who has no spool does without SQLite.
    const { openSpool } = await import("./spool_file.ts");
    return openSpool(path, now, onDamaged);
  };
}

/** What is used of a {@linkcode Spool}. */
export type SpoolFile = Pick<Spool, "write" | "erase" | "close">;

/** How long a row may outlive its message, in milliseconds. */
const ERASE_DELAY = 50;

/** Queues by way of a file. */
export class SpoolIntake implements Intake {
  readonly staged = new EntryList();
  readonly #opener: Opener;
  readonly #queue: Queue;
  readonly #host: SpoolHost;
  #file: SpoolFile | undefined;
  #closed = false;
  #erased: number[] = [];
  #commitSoon: ReturnType<typeof setImmediate> | undefined;
  #eraseSoon: ReturnType<typeof setTimeout> | undefined;

  /** `queue` knows what a message with a key replaces. */
  constructor(opener: Opener, queue: Queue, host: SpoolHost) {
    this.#opener = opener;
    this.#queue = queue;
    this.#host = host;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  async open(): Promise<void> {
    const { now, onError } = this.#host;
    const { spool, stored } = await this.#opener(now(), onError);
    if (this.#closed) return spool.close();
    this.#file = spool;
    this.#host.restored(stored);
    this.#host.enqueued();
  }

  take(entry: Entry): void {
    entry.own();
    this.staged.push(entry);
    this.#commitSoon ??= setImmediate(() => this.commit());
  }

  commit(): void {
    clearImmediate(this.#commitSoon);
    this.#commitSoon = undefined;
    if (this.#file === undefined || this.staged.count === 0) return;
    const puts = new Puts(this.staged, this.#queue);
    try {
      this.#file.write(puts.list, this.#erased);
    } catch (cause) {
      puts.undo();
      this.#refuse(cause);
      return;
    }
    puts.confirm();
    this.#nothingToErase();
    this.#move((entry) => this.#host.enqueue(entry));
    this.#host.enqueued();
  }

  forget(entry: Entry): void {
    if (entry.row === 0) return;
    this.#erased.push(entry.row);
    entry.row = 0;
    if (this.#eraseSoon !== undefined || this.#closed) return;
    this.#eraseSoon = setTimeout(() => this.#erase("erase"), ERASE_DELAY);
    Deno.unrefTimer(this.#eraseSoon);
  }

  eraseNow(): void {
    this.#erase("write");
  }

  close(): void {
    if (this.#closed) return;
    this.commit();
    this.#closed = true;
    this.#erase("erase");
    clearTimeout(this.#eraseSoon);
    this.#file?.close();
    this.#file = undefined;
  }

  #erase(how: "erase" | "write"): void {
    if (this.#file === undefined || this.#erased.length === 0) return;
    try {
      if (how === "erase") this.#file.erase(this.#erased);
      else this.#file.write([], this.#erased);
      this.#nothingToErase();
    } catch (cause) {
      // They stay listed: the next transaction takes them along.
      clearTimeout(this.#eraseSoon);
      this.#eraseSoon = undefined;
      this.#host.onError(cannotWrite(cause));
    }
  }

  #nothingToErase(): void {
    clearTimeout(this.#eraseSoon);
    this.#eraseSoon = undefined;
    this.#erased = [];
  }

  #refuse(cause: unknown): void {
    const error = cannotWrite(cause);
    this.#move((entry) => {
      if (entry.sender === undefined) this.#host.lost(entry);
      else entry.sender.reject(error);
    });
  }

  /** Empties what is staged by now; more may be staged meanwhile. */
  #move(to: (entry: Entry) => void): void {
    for (let left = this.staged.count; left > 0; left--) {
      const entry = this.staged.shift();
      if (entry !== undefined) to(entry);
    }
  }
}

/** What one transaction writes: of the messages with one key only the last. */
class Puts {
  readonly list: Put[] = [];
  readonly #replaced: Entry[] = [];

  constructor(staged: EntryList, queue: Queue) {
    const places = new Map<string, number>();
    for (const entry of staged) {
      const place = entry.key === undefined ? undefined : places.get(entry.key);
      const before = place === undefined ? undefined : this.list[place];
      if (place !== undefined && before !== undefined) {
        entry.row = before.row;
        before.row = 0;
        this.list[place] = entry;
        continue;
      }
      const old = queue.withKey(entry.key);
      if (old !== undefined) {
        entry.row = old.row;
        this.#replaced.push(old);
      }
      if (entry.key !== undefined) places.set(entry.key, this.list.length);
      this.list.push(entry);
    }
  }

  /** The rows of what was replaced belong to what replaced it. */
  confirm(): void {
    for (const old of this.#replaced) old.row = 0;
  }

  undo(): void {
    for (const put of this.list) put.row = 0;
  }
}

function cannotWrite(cause: unknown): WSError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new WSError(`Cannot write the spool: ${text}`, {
    code: "SPOOL",
    severity: "transient",
    cause,
  });
}

/**
 * Who may enter the queue, and what happens when it is full.
 *
 * - Senders that wait are served in the order in which they came. Nobody
 *   overtakes them; but where no waiting message has its key, a message may
 *   replace a queued one.
 * - What is on its way to the disk, or not acknowledged by the server, takes up
 *   room as if it were queued.
 *
 * @module
 */

import type { SendOverflow } from "../config.ts";
import { type Entry, EntryList } from "./entry.ts";
import type { Intake } from "./intake.ts";
import type { Ledger } from "./ledger.ts";
import type { Queue } from "./queue.ts";

/** How much room there is. */
export interface Bounds {
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly overflow: SendOverflow;
}

/** What takes up room. */
export interface Places {
  readonly intake: Pick<Intake, "isOpen" | "take" | "commit" | "staged">;
  readonly queue: Queue;
  /** All that is accepted and not handed over, wherever it is. */
  readonly queued: { readonly count: number; readonly bytes: number };
  readonly ledger: Pick<Ledger, "heldCount" | "heldBytes">;
}

/** What makes room. */
export interface RoomMakers {
  /** Drops a queued or a new message because the queue is full. */
  overflow(entry: Entry): void;
  /** Takes out what has expired, if anything has. */
  expire(): void;
  /** Moves what is on the short way into the queue. */
  leaveExpress(): void;
}

/**
 * What became of a message. `refused`: there is no room, and nothing happened;
 * `dropped`: it was dropped, as the policy says, and that was reported.
 */
export type Verdict = "accepted" | "dropped" | "refused" | "too large";

/** The door of the queue. */
export class Admission {
  /** The messages whose senders wait. */
  readonly waiting = new EntryList();
  /** How many of them have each key. */
  readonly #waitingKeys = new Map<string, number>();
  readonly #bounds: Bounds;
  readonly #places: Places;
  readonly #makers: RoomMakers;

  constructor(bounds: Bounds, places: Places, makers: RoomMakers) {
    this.#bounds = bounds;
    this.#places = places;
    this.#makers = makers;
  }

  /** Lets a message in if there is room, or if the policy makes some. */
  offer(entry: Entry): Verdict {
    const { maxBytes, overflow } = this.#bounds;
    const { intake } = this.#places;
    if (entry.bytes > maxBytes) return "too large";
    if (!intake.isOpen) return "refused";
    if (this.#mayEnter(entry)) {
      intake.take(entry);
      return "accepted";
    }
    switch (overflow) {
      case "wait":
      case "reject":
        return "refused";
      case "drop-oldest":
        this.#makers.leaveExpress();
        if (this.#dropOldestFor(entry)) {
          intake.take(entry);
          return "accepted";
        }
        this.#makers.overflow(entry);
        return "dropped";
      case "drop-newest":
        this.#makers.overflow(entry);
        return "dropped";
      default:
        return overflow satisfies never;
    }
  }

  /** Lets the sender wait for room. */
  wait(entry: Entry): void {
    this.waiting.push(entry);
    if (entry.key === undefined) return;
    const others = this.#waitingKeys.get(entry.key) ?? 0;
    this.#waitingKeys.set(entry.key, others + 1);
  }

  /** Takes out a message whose sender waits. */
  leave(entry: Entry): void {
    this.waiting.remove(entry);
    if (entry.key === undefined) return;
    const others = (this.#waitingKeys.get(entry.key) ?? 1) - 1;
    if (others > 0) this.#waitingKeys.set(entry.key, others);
    else this.#waitingKeys.delete(entry.key);
  }

  /** Serves those who wait, as far as there is room by now; whether anybody. */
  admit(): boolean {
    const { intake } = this.#places;
    const before = this.waiting.count;
    for (
      let entry = this.waiting.head;
      entry !== undefined && intake.isOpen && this.#fits(entry);
      entry = this.waiting.head
    ) {
      this.leave(entry);
      intake.take(entry);
    }
    return this.waiting.count < before;
  }

  #mayEnter(entry: Entry): boolean {
    if (this.waiting.count > 0) {
      return this.#mayOvertake(entry) && this.#fits(entry);
    }
    if (this.#fits(entry)) return true;
    this.#makers.expire();
    return this.#fits(entry);
  }

  #mayOvertake({ key }: Entry): boolean {
    return key !== undefined && !this.#waitingKeys.has(key) &&
      this.#places.queue.withKey(key) !== undefined;
  }

  #fits(entry: Entry): boolean {
    const { maxSize, maxBytes } = this.#bounds;
    const { queue, queued, ledger } = this.#places;
    const bytes = queued.bytes + ledger.heldBytes + entry.bytes;
    const count = queued.count + ledger.heldCount;
    if (count < maxSize && bytes <= maxBytes) return true;
    const old = queue.withKey(entry.key);
    return old !== undefined &&
      (bytes - old.bytes <= maxBytes || entry.bytes <= old.bytes);
  }

  #dropOldestFor(entry: Entry): boolean {
    const { queue, intake } = this.#places;
    while (!this.#fits(entry)) {
      if (queue.fresh.head !== undefined && this.#fitsWithoutFresh(entry)) {
        this.#makers.overflow(queue.fresh.head);
      } else if (intake.staged.count > 0) {
        intake.commit();
      } else {
        return false;
      }
    }
    return true;
  }

  /** Whether it would fit if all that may be dropped were. */
  #fitsWithoutFresh(entry: Entry): boolean {
    const { maxSize, maxBytes } = this.#bounds;
    const { queue: { fresh }, queued, ledger } = this.#places;
    const bytes = queued.bytes - fresh.bytes + ledger.heldBytes + entry.bytes;
    const count = queued.count - fresh.count + ledger.heldCount;
    return count < maxSize && bytes <= maxBytes;
  }
}

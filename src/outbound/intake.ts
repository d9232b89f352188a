/**
 * The last step into the queue, for what the door has let in.
 *
 * @module
 */

import { type Entry, EntryList } from "./entry.ts";
import type { Queue } from "./queue.ts";
import { spoolAt, type SpoolHost, SpoolIntake } from "./spool_intake.ts";

/** From let in to queued. */
export interface Intake {
  /** Whether anything can be taken by now. */
  readonly isOpen: boolean;
  /** What is taken and not queued yet. */
  readonly staged: EntryList;
  /** Opens what there is to open. */
  open(): Promise<void>;
  /** Takes a message, for which there is room. */
  take(entry: Entry): void;
  /** Queues what it has taken, now. */
  commit(): void;
  /** The message will not be sent any more: it is settled, or dropped. */
  forget(entry: Entry): void;
  /** What was forgotten must never come back. */
  eraseNow(): void;
  /** Queues what it has taken, and ends. */
  close(): void;
}

/** Queues by way of the file with this path, or at once where there is none. */
export function makeIntake(
  path: string | undefined,
  queue: Queue,
  host: SpoolHost,
): Intake {
  return path === undefined
    ? new MemoryIntake((entry) => host.enqueue(entry))
    : new SpoolIntake(spoolAt(path), queue, host);
}

/** Queues at once; nothing outlives the process. */
export class MemoryIntake implements Intake {
  readonly isOpen = true;
  readonly staged = new EntryList();
  readonly #enqueue: (entry: Entry) => void;

  /** `enqueue` is called for each message. */
  constructor(enqueue: (entry: Entry) => void) {
    this.#enqueue = enqueue;
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  take(entry: Entry): void {
    entry.own();
    this.#enqueue(entry);
  }

  commit(): void {}

  forget(): void {}

  eraseNow(): void {}

  close(): void {}
}

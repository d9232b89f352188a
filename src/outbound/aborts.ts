/**
 * Listens to the signals of messages: once for each signal, however many
 * messages share it.
 *
 * @module
 */

import type { Entry } from "./entry.ts";

interface Watched {
  readonly entries: Set<Entry>;
  readonly listener: () => void;
}

/** The messages that an abort may still concern. */
export class Aborts {
  readonly #watched = new Map<AbortSignal, Watched>();
  readonly #abort: (entries: readonly Entry[]) => void;

  /** `abort` is called with the messages of a signal that has aborted. */
  constructor(abort: (entries: readonly Entry[]) => void) {
    this.#abort = abort;
  }

  /** Begins to listen for a message that has a signal. */
  watch(entry: Entry): void {
    const { signal } = entry;
    if (signal === undefined) return;
    const watched = this.#watched.get(signal) ?? this.#listen(signal);
    watched.entries.add(entry);
  }

  /** Stops to listen for a message. */
  forget(entry: Entry): void {
    const { signal } = entry;
    const watched = signal && this.#watched.get(signal);
    if (signal === undefined || watched === undefined) return;
    watched.entries.delete(entry);
    if (watched.entries.size > 0) return;
    signal.removeEventListener("abort", watched.listener);
    this.#watched.delete(signal);
  }

  /** Stops to listen at all. */
  stop(): void {
    for (const [signal, { listener }] of this.#watched) {
      signal.removeEventListener("abort", listener);
    }
    this.#watched.clear();
  }

  #listen(signal: AbortSignal): Watched {
    const entries = new Set<Entry>();
    const listener = () => {
      this.#watched.delete(signal);
      this.#abort([...entries]);
    };
    const watched = { entries, listener };
    this.#watched.set(signal, watched);
    signal.addEventListener("abort", listener, { once: true });
    return watched;
  }
}

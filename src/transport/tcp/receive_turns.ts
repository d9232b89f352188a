/**
 * When a receiver lets the event loop run.
 *
 * A read completes at once while bytes are there, so a burst would keep timers,
 * and the readers of its messages, waiting to its end. A receiver therefore
 * gives the event loop a turn
 *
 * - once in a slice of time, which all receivers that wait for a turn share;
 * - sooner while messages are unread: their readers run first, so that their
 *   buffers stay small.
 *
 * @module
 */

import { nextTurn } from "../../turns.ts";

/** How long the event loop may have no turn, in milliseconds. */
const SLICE = 4;
/**
 * Reading the clock may cost more than a short message: it is read once per at
 * most this many frames, and more often if they take long.
 */
const MOST_BETWEEN_CHECKS = 64;
/** Readers get a turn after this many messages at the latest. */
const MOST_UNREAD = 256;

/** A read that takes longer has probably waited for bytes, in milliseconds. */
const WAIT = 1;
/** The guess is checked after this many such reads, of all connections. */
const MOST_GUESSES = 8;
let guesses = 0;
let checkedSince = Infinity;

/**
 * Whether a read has waited, and so given the event loop its turn. A read takes
 * long also if other processes or other microtasks ran meanwhile, and nothing
 * in the runtime tells these apart. So from time to time an immediate checks
 * the guess: until it has run, no read that began later has waited.
 */
function hasWaited(from: number, to: number): boolean {
  if (to - from <= WAIT || from >= checkedSince) return false;
  if (++guesses === MOST_GUESSES) {
    checkedSince = to;
    nextTurn(() => {
      guesses = 0;
      checkedSince = Infinity;
    });
  }
  return true;
}

/** The receivers that wait for the next turn of the event loop. */
let waiting = 0;
let nextSlice: Promise<number> | undefined;

/**
 * Waits for the next turn of the event loop.
 * @returns how long the receiver may take then, in milliseconds
 */
function takeTurn(): Promise<number> {
  waiting++;
  return nextSlice ??= new Promise((resolve) => {
    nextTurn(() => {
      resolve(SLICE / waiting);
      nextSlice = undefined;
      waiting = 0;
    });
  });
}

/** The turns that one receiver gives. */
export class ReceiveTurns {
  readonly #readers: { readonly hasUnread: boolean };
  /** When the event loop last had a turn, as far as is known. */
  #begunAt = 0;
  /** How long it may take until the next turn, in milliseconds. */
  #slice = SLICE;
  /** Frames since then. */
  #frames = 0;
  /**
   * How many frames may come in a turn that leaves messages unread: as many as
   * the readers take in a slice.
   */
  #portion = 16;
  /** When the clock was read last, and at which frame it is read next. */
  #checkedAt = 0;
  #nextCheck = 1;
  #betweenChecks = 1;
  #isDue = false;

  /** @param readers tell whether messages wait in their buffers */
  constructor(readers: { readonly hasUnread: boolean }) {
    this.#readers = readers;
  }

  /** Whether a turn is due before the next frame is decoded. */
  get isDue(): boolean {
    return this.#isDue;
  }

  /** The event loop has just had a turn. */
  begin(now: number, slice: number = SLICE): void {
    this.#begunAt = this.#checkedAt = now;
    this.#slice = slice;
    this.#frames = 0;
    this.#nextCheck = this.#betweenChecks;
    this.#isDue = false;
  }

  /** Counts a frame. The hot path: seldom reads the clock. */
  countFrame(): void {
    if (++this.#frames >= this.#nextCheck) this.#check(performance.now());
  }

  /** A read has ended; returns whether it had to wait for bytes. */
  endRead(from: number, to: number): boolean {
    const waited = hasWaited(from, to);
    if (waited) this.begin(to);
    return waited;
  }

  /**
   * Whether a turn is due before the next read, which in a burst succeeds at
   * once.
   */
  isDueToRead(now: number, isBurst: boolean): boolean {
    if (this.#isDue || now - this.#begunAt > this.#slice) return true;
    return this.#frames > 0 && (isBurst || this.#frames >= this.#portion) &&
      this.#readers.hasUnread;
  }

  /** Gives the event loop a turn. */
  async give(): Promise<void> {
    const before = performance.now();
    const { hasUnread } = this.#readers;
    const slice = await takeTurn();
    const now = performance.now();
    if (hasUnread) {
      this.#portion = now - before > SLICE
        ? Math.ceil(this.#portion / 2)
        : Math.min(MOST_UNREAD, 2 * this.#portion);
      this.#betweenChecks = Math.min(this.#betweenChecks, this.#portion);
    }
    this.begin(now, slice);
  }

  #check(now: number): void {
    // As many as took a quarter of a slice, but at most twice as many as before.
    const growth = Math.min(2, this.#slice / 4 / (now - this.#checkedAt));
    const many = Math.min(this.#betweenChecks * growth, MOST_BETWEEN_CHECKS);
    this.#betweenChecks = Math.max(1, Math.ceil(many));
    this.#nextCheck = this.#frames + this.#betweenChecks;
    this.#checkedAt = now;
    this.#isDue = now - this.#begunAt > this.#slice ||
      this.#frames >= this.#portion && this.#readers.hasUnread;
  }
}

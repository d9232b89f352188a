/** Beyond this a timer may misfire; who waits longer looks and waits again. */
const LONGEST = 60_000;

/** One waiter's timer, which goes with what the waiter works for. */
export class Alarm {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake: (() => void) | undefined;
  #off = false;

  /** Once `end` has settled, nothing is waited for any more. */
  constructor(end: Promise<unknown>) {
    end.then(() => {
      this.#off = true;
      clearTimeout(this.#timer);
      this.#wake?.();
    });
  }

  /** Resolves after `ms`, a minute at most, or at the end. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#off) return resolve();
      this.#wake = resolve;
      this.#timer = setTimeout(resolve, Math.min(ms, LONGEST));
    });
  }
}

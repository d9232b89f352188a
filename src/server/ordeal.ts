import type { Blow } from "./chaos.ts";
import type { Direction, Fate } from "./fate.ts";

/** Whom the blows fall on; a `Peer` is one. */
export interface Sufferer {
  readonly closed: Promise<unknown>;
  close(code: number, reason: string): Promise<void>;
  drop(): Promise<void>;
  reset(): Promise<void>;
  mute(): void;
}

/** Counts a connection's messages and its age, and carries out its fate. */
export class Ordeal {
  readonly #fate: Fate;
  readonly #sufferer: Sufferer;
  readonly #timers: ReturnType<typeof setTimeout>[];
  readonly #messages = { in: 0, out: 0 };
  #struck = false;

  constructor(fate: Fate, sufferer: Sufferer) {
    this.#fate = fate;
    this.#sufferer = sufferer;
    this.#timers = fate.timedBlows().map(({ after, blow }) =>
      setTimeout(() => this.#strike(blow), after)
    );
    sufferer.closed.then(() => this.#timers.forEach(clearTimeout));
  }

  /** Whether the next message this way gets through. */
  passes(direction: Direction): boolean {
    if (this.#struck) return false;
    const message = this.#messages[direction]++;
    const blow = this.#fate.blowAt(direction, message);
    if (blow === undefined) return true;
    this.#strike(blow);
    return false;
  }

  #strike(blow: Blow): void {
    if (this.#struck) return;
    this.#struck = true;
    switch (blow.kind) {
      case "drop":
        this.#sufferer.drop();
        return;
      case "reset":
        this.#sufferer.reset();
        return;
      case "half-open":
        this.#sufferer.mute();
        return;
      case "close":
        this.#sufferer.close(blow.code, "chaos");
        return;
      default:
        blow satisfies never;
    }
  }
}

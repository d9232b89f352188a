/**
 * Where the links of a client find its way out, which is made when it is first
 * needed: of many thousand connections most only receive.
 *
 * @module
 */

import type { Message } from "../message.ts";
import type { Outbound } from "./outbound.ts";
import type { Sink } from "./pump.ts";

/** The way out of a client, if it has one by now. */
export class Outlet {
  readonly #make: () => Outbound;
  #made: Outbound | undefined;
  #sink: Sink | undefined;
  #paused = false;

  /** `make` is called once at most. */
  constructor(make: () => Outbound) {
    this.#make = make;
  }

  /** `undefined`: nothing was ever sent. */
  get made(): Outbound | undefined {
    return this.#made;
  }

  /** The way out; from the first call on there is one. */
  get outbound(): Outbound {
    return this.#made ??= this.#makeNow();
  }

  /** See {@linkcode Outbound.attach}. */
  attach(sink: Sink): void {
    this.#sink = sink;
    this.#paused = false;
    this.#made?.attach(sink);
  }

  /** See {@linkcode Outbound.pause}. */
  pause(): void {
    this.#paused = true;
    this.#made?.pause();
  }

  /** See {@linkcode Outbound.detach}. */
  detach(delivered: boolean): void {
    this.#sink = undefined;
    this.#made?.detach(delivered);
  }

  /** See {@linkcode Outbound.sendUrgent}. */
  sendUrgent(data: Message): boolean {
    if (this.#made !== undefined) return this.#made.sendUrgent(data);
    if (this.#sink?.bufferedAmount === undefined) return false;
    this.#sink.send(data);
    return true;
  }

  #makeNow(): Outbound {
    const outbound = this.#make();
    if (this.#sink !== undefined) outbound.attach(this.#sink);
    if (this.#paused) outbound.pause();
    return outbound;
  }
}

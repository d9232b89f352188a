/**
 * Which collectors are alive: each says so on a NATS subject, and hears the
 * others.
 *
 * For a moment two collectors may see different members. Then a channel has one
 * collector too many or too few; the second copy and the deduplication are
 * there for that.
 *
 * @module
 */

import type { NatsConnection } from "@nats-io/transport-node";

const SUBJECT = "fleet.alive";
const INTERVAL = 500;
/** Silence after which a member counts as dead, ms. */
const LIMIT = 2_000;

/** Tells `onChange` the living members, sorted, this one included. */
export class Members implements Disposable {
  readonly #nats: NatsConnection;
  readonly #name: string;
  readonly #onChange: (names: readonly string[]) => void;
  /** When each member was last heard. */
  readonly #heard = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  #known = "";

  constructor(
    nats: NatsConnection,
    name: string,
    onChange: (names: readonly string[]) => void,
  ) {
    this.#nats = nats;
    this.#name = name;
    this.#onChange = onChange;
    nats.subscribe(SUBJECT, {
      callback: (error, message) => {
        if (error === null) {
          this.#heard.set(message.string(), performance.now());
        }
      },
    });
    this.#timer = setInterval(() => this.#tick(), INTERVAL);
    this.#tick();
  }

  #tick(): void {
    this.#nats.publish(SUBJECT, this.#name);
    const now = performance.now();
    this.#heard.set(this.#name, now);
    for (const [name, time] of this.#heard) {
      if (now - time > LIMIT) this.#heard.delete(name);
    }
    const names = [...this.#heard.keys()].toSorted();
    if (names.join() === this.#known) return;
    this.#known = names.join();
    this.#onChange(names);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * The other side of the demo: a server that numbers what it says, acknowledges
 * what it hears, and whose link can be cut in several ways.
 *
 * It forgets nothing when a link breaks, as a real feed would not: it goes on
 * producing, and whoever comes back says which number it has seen last.
 *
 * @module
 */

import type { Refusal } from "../../server/handshake.ts";
import type { Peer } from "../../server/peer.ts";
import { serve, type WebSocketServer } from "../../server/server.ts";

/** A message of the demo, as JSON. */
export type DemoMessage =
  /** The client says a number, */
  | { readonly kind: "client"; readonly number: number }
  /** the server acknowledges it. */
  | { readonly kind: "received"; readonly number: number }
  /** The server says a number, */
  | { readonly kind: "feed"; readonly number: number }
  /** and the client, on each connection, which one it has heard last. */
  | { readonly kind: "resume"; readonly after: number }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" };

/** The ways in which the demo cuts a link. */
export type Cut = "drop" | "reset" | "close" | "half-open" | "refuse";

/** How many handshakes are refused after a `"refuse"`. */
const REFUSALS = 2;

/** A numbered feed that also listens. */
export class DemoServer implements AsyncDisposable {
  readonly #server: WebSocketServer;
  /** Every number that came from the client; twice is still once. */
  readonly #received = new Set<number>();
  #heard = 0;
  #produced = 0;
  #peer: Peer | undefined;
  #refusals = 0;

  constructor() {
    this.#server = serve({
      accept: () => this.#accept(),
      onPeer: (peer) => this.#welcome(peer),
    });
  }

  /** Where it listens. */
  get url(): string {
    return this.#server.url;
  }

  /** How many different messages came from the client. */
  get received(): number {
    return this.#received.size;
  }

  /** How many came more than once. */
  get repeated(): number {
    return this.#heard - this.#received.size;
  }

  /** How many messages it has said so far, heard or not. */
  get produced(): number {
    return this.#produced;
  }

  /** Says the next number, to whoever is there. */
  produce(): void {
    this.#produced++;
    this.#say(this.#peer, { kind: "feed", number: this.#produced });
  }

  /** Cuts the link. */
  cut(how: Cut): void {
    const peer = this.#peer;
    this.#peer = undefined;
    switch (how) {
      case "drop":
        peer?.drop();
        return;
      case "reset":
        peer?.reset();
        return;
      case "close":
        peer?.close(1011, "server restart");
        return;
      case "half-open":
        peer?.blackhole();
        return;
      case "refuse":
        this.#refusals = REFUSALS;
        peer?.drop();
        return;
      default:
        how satisfies never;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }

  #accept(): Refusal | undefined {
    if (this.#refusals === 0) return undefined;
    this.#refusals--;
    return { status: 503 };
  }

  #welcome(peer: Peer): void {
    peer.onmessage = (data) => {
      if (typeof data === "string") this.#hear(peer, JSON.parse(data));
    };
  }

  #hear(peer: Peer, message: DemoMessage): void {
    switch (message.kind) {
      case "client":
        this.#heard++;
        this.#received.add(message.number);
        return this.#say(peer, { kind: "received", number: message.number });
      case "resume":
        this.#peer = peer;
        for (let n = message.after + 1; n <= this.#produced; n++) {
          this.#say(peer, { kind: "feed", number: n });
        }
        return;
      case "ping":
        return this.#say(peer, { kind: "pong" });
      case "feed":
      case "received":
      case "pong":
        return; // ours
      default:
        message satisfies never;
    }
  }

  #say(peer: Peer | undefined, message: DemoMessage): void {
    if (peer?.state === "open") peer.send(JSON.stringify(message));
  }
}

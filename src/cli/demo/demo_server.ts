/**
 * The server of the demo: it numbers what it sends, acknowledges what it
 * receives, and breaks its connection in several ways.
 *
 * A broken connection does not stop it, as it would not stop a real feed: it
 * goes on producing, and a client that comes back says which number it had last.
 *
 * @module
 */

import type { Refusal } from "../../server/handshake.ts";
import type { Peer } from "../../server/peer.ts";
import { serve, type WebSocketServer } from "../../server/server.ts";

/** A message of the demo, as JSON. */
export type DemoMessage =
  /** The client sends a number, */
  | { readonly kind: "client"; readonly number: number }
  /** the server acknowledges it. */
  | { readonly kind: "received"; readonly number: number }
  /** The server sends a number, */
  | { readonly kind: "feed"; readonly number: number }
  /** and the client, on each connection, which one it had last. */
  | { readonly kind: "resume"; readonly after: number }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" };

/** The ways in which the demo breaks a connection. */
export type DemoFault = "drop" | "reset" | "close" | "half-open" | "refuse";

/** How many handshakes are refused after a `"refuse"`. */
const REFUSALS = 2;

/** A numbered feed that also listens. */
export class DemoServer implements AsyncDisposable {
  readonly #server: WebSocketServer;
  /** Every number that came from the client; a number counts once. */
  readonly #received = new Set<number>();
  #receipts = 0;
  #produced = 0;
  #peer: Peer | undefined;
  #refusals = 0;

  constructor() {
    this.#server = serve({
      accept: () => this.#accept(),
      onPeer: (peer) => this.#register(peer),
    });
  }

  /** Where it listens. */
  get url(): string {
    return this.#server.url;
  }

  /** How many different messages the client sent. */
  get received(): number {
    return this.#received.size;
  }

  /** How many were received a second time. */
  get repeated(): number {
    return this.#receipts - this.#received.size;
  }

  /** How many messages it has sent so far, received or not. */
  get produced(): number {
    return this.#produced;
  }

  /** Sends the next number, if a client is connected. */
  produce(): void {
    this.#produced++;
    this.#send(this.#peer, { kind: "feed", number: this.#produced });
  }

  /** Breaks the connection. */
  break(fault: DemoFault): void {
    const peer = this.#peer;
    this.#peer = undefined;
    switch (fault) {
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
        fault satisfies never;
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

  #register(peer: Peer): void {
    peer.onmessage = (data) => {
      if (typeof data === "string") this.#receive(peer, JSON.parse(data));
    };
  }

  #receive(peer: Peer, message: DemoMessage): void {
    switch (message.kind) {
      case "client":
        this.#receipts++;
        this.#received.add(message.number);
        return this.#send(peer, { kind: "received", number: message.number });
      case "resume":
        this.#peer = peer;
        for (let n = message.after + 1; n <= this.#produced; n++) {
          this.#send(peer, { kind: "feed", number: n });
        }
        return;
      case "ping":
        return this.#send(peer, { kind: "pong" });
      case "feed":
      case "received":
      case "pong":
        return; // ours
      default:
        message satisfies never;
    }
  }

  #send(peer: Peer | undefined, message: DemoMessage): void {
    if (peer?.state === "open") peer.send(JSON.stringify(message));
  }
}

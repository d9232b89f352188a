/**
 * A feed of numbered messages in channels, which can replay: the server of the
 * fleet's test.
 *
 * @module
 */

import type { Peer } from "../../src/server/peer.ts";
import { serve, type WebSocketServer } from "../../src/server/server.ts";

interface Order {
  readonly op: "subscribe" | "unsubscribe";
  readonly channel: string;
  readonly after?: number;
}

/** Publishes to whoever has subscribed; nothing is forgotten. */
export class NumberedFeed implements AsyncDisposable {
  readonly channels: readonly string[];
  readonly #server: WebSocketServer;
  /** How many messages each channel has had. */
  #published = 0;
  readonly #subscriptions = new Map<Peer, Map<string, number>>();

  constructor(channels: readonly string[]) {
    this.channels = channels;
    this.#server = serve({ onPeer: (peer) => this.#register(peer) });
  }

  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  /** Messages published in each channel. */
  get published(): number {
    return this.#published;
  }

  /** One message in each channel. */
  publish(): void {
    this.#published++;
    for (const peer of this.#subscriptions.keys()) this.#send(peer);
  }

  /** Drops one connection, if there is one; `chance` is from 0 to 1. */
  cut(chance: number): void {
    const peers = [...this.#server.peers];
    peers[Math.floor(chance * peers.length)]?.drop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }

  #register(peer: Peer): void {
    const sent = new Map<string, number>();
    this.#subscriptions.set(peer, sent);
    peer.closed.then(() => this.#subscriptions.delete(peer));
    peer.onmessage = (data) => {
      const { op, channel, after = 0 }: Order = JSON.parse(String(data));
      if (op === "subscribe") sent.set(channel, after);
      else sent.delete(channel);
      this.#send(peer);
    };
  }

  #send(peer: Peer): void {
    const sent = this.#subscriptions.get(peer) ?? new Map<string, number>();
    for (const [channel, last] of sent) {
      for (let seq = last + 1; seq <= this.#published; seq++) {
        if (peer.state !== "open") return;
        peer.send(JSON.stringify({ channel, seq, at: Date.now() }));
      }
      sent.set(channel, this.#published);
    }
  }
}

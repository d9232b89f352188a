/**
 * One feed: the channels of it that this collector owns, from the WebSocket
 * into the stream.
 *
 * What it promises for a feed that can replay from a number: per channel, the
 * stream has every message once and in order, whichever collector dies.
 *
 * 1. A message is published with its feed, channel and number as `Nats-Msg-Id`:
 *    the stream drops what it has already, from the other collector or from
 *    this one.
 * 2. The messages of a channel are published one after another, each until the
 *    stream has acknowledged it. So number n + 1 is never there without n.
 * 3. Only what the stream has acknowledged counts as received: a subscription
 *    asks for what comes after that, and a new owner asks the stream first.
 *
 * A feed that cannot replay ignores `after`. Then a message is lost if both of
 * its collectors miss it.
 *
 * @module
 */

import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { type Message, WebSocketStreamClient } from "@ws-stream/client";

/** Messages that may wait for the stream; then reading stops. */
const WINDOW = 2_000;
/** Before publishing again what the stream did not acknowledge, ms. */
const PAUSE = 500;

/** What this needs of the stream. */
export interface Stream {
  readonly name: string;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

/** What was done so far. */
export interface Counts {
  received: number;
  /** Messages that the stream had already. */
  duplicates: number;
}

interface Item {
  readonly channel: string;
  readonly seq: number;
}

/** Collects the assigned channels of one feed. */
export class ChannelFeed {
  readonly counts: Counts = { received: 0, duplicates: 0 };
  readonly #name: string;
  readonly #stream: Stream;
  readonly #client: WebSocketStreamClient;
  /** Number of the last message of each owned channel that is in the stream. */
  readonly #stored = new Map<string, number>();
  /** The end of each channel's publishing. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #reading: Promise<void>;
  #pending = 0;
  #hasRoom = Promise.withResolvers<void>();

  constructor(name: string, url: string, stream: Stream) {
    this.#name = name;
    this.#stream = stream;
    this.#client = new WebSocketStreamClient({ url, idleTimeout: 10_000 }, {
      onConnect: (session) => {
        for (const [channel, after] of this.#stored) {
          session.send(subscribe(channel, after));
        }
      },
      onError: (error) => console.error(`${name}: ${error.message}`),
    });
    this.#reading = this.#read();
    this.#client.start();
  }

  /** How often the connection was opened again. */
  get reconnects(): number {
    return Math.max(0, this.#client.stats.connects - 1);
  }

  /** Takes on the channels that are new, and gives up those that are not there. */
  async assign(channels: readonly string[]): Promise<void> {
    for (const channel of this.#stored.keys()) {
      if (channels.includes(channel)) continue;
      this.#stored.delete(channel);
      this.#client.sendText(JSON.stringify({ op: "unsubscribe", channel }));
    }
    await Promise.all(channels.map(async (channel) => {
      if (this.#stored.has(channel)) return;
      const after = await this.#lastStored(channel);
      this.#stored.set(channel, after);
      // Without a connection it waits in the queue, and follows what the hook
      // sends. Subscribing twice does no harm: the stream drops duplicates.
      this.#client.sendText(subscribe(channel, after));
    }));
  }

  /** Ends when everything that was received is in the stream. */
  async stop(): Promise<void> {
    await this.#client.stop();
    await this.#reading;
    await Promise.all(this.#tails.values());
  }

  async #lastStored(channel: string): Promise<number> {
    const { name, jsm } = this.#stream;
    const last = await jsm.streams.getMessage(name, {
      last_by_subj: this.#subject(channel),
    });
    return last === null ? 0 : parse(last.string()).seq;
  }

  async #read(): Promise<void> {
    for await (const message of this.#client) {
      const { channel, seq } = parse(message);
      this.counts.received++;
      this.#pending++;
      const tail = this.#tails.get(channel) ?? Promise.resolve();
      this.#tails.set(
        channel,
        tail.then(() => this.#store(channel, seq, message)),
      );
      if (this.#pending >= WINDOW) await this.#hasRoom.promise;
    }
  }

  async #store(channel: string, seq: number, message: Message): Promise<void> {
    const msgID = `${this.#name}/${channel}/${seq}`;
    for (;;) {
      try {
        const { duplicate } = await this.#stream.js.publish(
          this.#subject(channel),
          message,
          { msgID },
        );
        if (duplicate) this.counts.duplicates++;
        break;
      } catch (error) {
        console.error(`${msgID} is not in the stream yet:`, error);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
    if (this.#stored.has(channel)) this.#stored.set(channel, seq);
    this.#pending--;
    this.#hasRoom.resolve();
    this.#hasRoom = Promise.withResolvers();
  }

  #subject(channel: string): string {
    return `feeds.${this.#name}.${channel}`;
  }
}

function subscribe(channel: string, after: number): string {
  return JSON.stringify({ op: "subscribe", channel, after });
}

function parse(message: Message): Item {
  return JSON.parse(String(message));
}

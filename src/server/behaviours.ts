/**
 * What a server does with its peers, for `onPeer`.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Message } from "../message.ts";
import type { Peer } from "./peer.ts";

/** Sends every message back. */
export function echo(peer: Peer): void {
  peer.onmessage = (data) => peer.send(data);
}

/**
 * Sends the messages of each peer to all the others. A peer that reads too
 * slowly does not slow the others down: it is closed with 1008 when more than `limit` bytes
 * wait for it.
 */
export function broadcast(
  limit: number = 16 * 1024 * 1024,
): (peer: Peer) => void {
  const peers = new Set<Peer>();
  return (peer) => {
    peers.add(peer);
    peer.closed.then(() => peers.delete(peer));
    peer.onmessage = (data) => {
      for (const other of peers) {
        if (other === peer || other.state !== "open") continue;
        if (other.bufferedAmount > limit) other.close(1008, "too slow");
        else other.send(data);
      }
    };
  };
}

/** What a feed sends. */
export interface FeedOptions {
  /** Messages a second; `Infinity` for as fast as the peer reads. @default 1 */
  readonly rate?: number;
  /** How many, before it closes with 1000. @default Infinity */
  readonly count?: number;
  /** The message of this number, from 0. @default `{"seq":0,"time":...}` */
  readonly message?: (number: number) => Message;
}

/** The shortest wait between two messages, ms: shorter than eyes can see. */
const TICK = 10;

/**
 * Sends numbered messages at a steady rate, whatever the peer says. A peer that
 * reads too slowly gets them later, but all of them.
 *
 * @throws {RangeError} when the rate is not more than 0.
 *
 * @example
 * ```ts
 * import { feed } from "./behaviours.ts";
 * import { serve } from "./server.ts";
 *
 * await using server = serve({ onPeer: feed({ rate: 100 }) });
 * ```
 */
export function feed(options: FeedOptions = {}): (peer: Peer) => Promise<void> {
  const { rate = 1, count = Infinity, message = numberAndTime } = options;
  if (!(rate > 0)) {
    throw new RangeError(
      `Cannot feed as 'rate' must be more than 0: current value is ${rate}`,
    );
  }
  return async (peer) => {
    peer.onmessage = () => {};
    const end = new AbortController();
    peer.closed.then(() => end.abort());
    const start = performance.now();
    let sent = 0;
    while (sent < count && peer.state === "open") {
      // The first at once, then one each 1/rate seconds.
      const elapsed = (performance.now() - start) / 1000;
      const due = rate === Infinity ? count : Math.floor(elapsed * rate) + 1;
      const from = sent;
      sent = Math.min(due, count);
      await peer.sendMany(numbered(message, from, sent));
      const wait = start + sent / rate * 1000 - performance.now();
      if (sent < count) await wakeAfter(Math.max(wait, TICK), end.signal);
    }
    if (peer.state === "open") await peer.close();
  };
}

/** Waits for this time, or until the signal aborts. */
async function wakeAfter(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function* numbered(
  message: (number: number) => Message,
  from: number,
  to: number,
): Generator<Message> {
  for (let number = from; number < to; number++) yield message(number);
}

function numberAndTime(number: number): string {
  return `{"seq":${number},"time":${Date.now()}}`;
}

import type { Message } from "../message.ts";
import { Alarm } from "./alarm.ts";
import type { Peer } from "./peer.ts";

/** What a feed sends. */
export interface FeedOptions {
  /** Messages a second; `Infinity` for as fast as the peer reads. @default 1 */
  readonly rate?: number;
  /** How many, then close with 1000. @default Infinity */
  readonly count?: number;
  /** The message of this number, from 0. @default `{"seq":0,"time":...}` */
  readonly message?: (number: number) => Message;
}

/** Between two looks at what is due, ms: shorter than eyes can tell. */
const TICK = 10;

/**
 * For `onPeer`: sends numbered messages at a steady rate, whatever the peer
 * says. One that reads too slowly gets them later, but all of them.
 *
 * @throws {RangeError} when the rate is not more than 0.
 *
 * @example
 * ```ts
 * import { feed } from "./feed.ts";
 * import { serve } from "./server.ts";
 *
 * await using server = serve({ onPeer: feed({ rate: 100 }) });
 * ```
 */
export function feed(options: FeedOptions = {}): (peer: Peer) => Promise<void> {
  const { rate = 1, count = Infinity, message = tick } = options;
  if (!(rate > 0)) {
    throw new RangeError(
      `Cannot feed as 'rate' must be more than 0: current value is ${rate}`,
    );
  }
  return async (peer) => {
    peer.onmessage = () => {};
    const alarm = new Alarm(peer.closed);
    const start = performance.now();
    let sent = 0;
    while (sent < count && peer.state === "open") {
      // One at once, then one each 1/rate seconds.
      const elapsed = (performance.now() - start) / 1000;
      const due = rate === Infinity ? count : Math.floor(elapsed * rate) + 1;
      const from = sent;
      sent = Math.min(due, count);
      await peer.sendMany(numbered(message, from, sent));
      const wait = start + sent / rate * 1000 - performance.now();
      if (sent < count) await alarm.wait(Math.max(wait, TICK));
    }
    if (peer.state === "open") await peer.close();
  };
}

function* numbered(
  message: (number: number) => Message,
  from: number,
  to: number,
): Generator<Message> {
  for (let number = from; number < to; number++) yield message(number);
}

function tick(number: number): string {
  return `{"seq":${number},"time":${Date.now()}}`;
}

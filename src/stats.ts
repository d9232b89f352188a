/**
 * What a client has done so far, in numbers.
 *
 * @module
 */

import type { Gap } from "./callbacks.ts";
import type { WSError, WSErrorCode } from "./errors.ts";

/** The round-trip times of the heartbeat, in milliseconds. */
export interface RttStats {
  /** The latest. */
  readonly last: number;
  /** The smallest. */
  readonly min: number;
  /** The mean of all. */
  readonly mean: number;
  /** The 99th percentile of the last 1000. */
  readonly p99: number;
}

/**
 * A snapshot of what a client has done.
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * const client = await connect("wss://example.com");
 * const { messagesReceived, retries, rtt } = client.stats;
 * console.log(`${messagesReceived} messages, ${retries} retries, ${rtt?.p99} ms`);
 * ```
 */
export interface WSStats {
  /**
   * Messages of the queue given to the network, redelivered ones included. Pings
   * and `session.send()` do not count.
   */
  readonly messagesSent: number;
  /** Messages that arrived, pongs and consumed pings included. */
  readonly messagesReceived: number;
  /** Payload bytes of `messagesSent`. */
  readonly bytesSent: number;
  /** Bytes of binary messages and UTF-16 code units of texts that arrived. */
  readonly bytesReceived: number;
  /** Connections opened. */
  readonly connects: number;
  /** Connections ended. */
  readonly disconnects: number;
  /** Waits for another attempt. */
  readonly retries: number;
  /** Connections replaced by `maxConnectionAge` or a graceful `reconnect()`. */
  readonly rotations: number;
  /** How often each kind of error was reported to `onError`. */
  readonly failures: Readonly<Record<WSErrorCode, number>>;
  /** Messages in the queue. */
  readonly queued: number;
  /** Bytes in the queue. */
  readonly queuedBytes: number;
  /** Messages sent and not yet acknowledged; see `redeliver`. */
  readonly unacknowledged: number;
  /** Accepted messages that were dropped; each was reported to `onDrop`. */
  readonly dropped: number;
  /**
   * With `redeliver: "none"`: messages that were still in the socket when their
   * connection ended; it is unknown whether they arrived. Otherwise 0: what had
   * not left the socket is sent again, and messages that had left it count as
   * sent.
   */
  readonly lost: number;
  /** Messages sent again. */
  readonly redelivered: number;
  /**
   * `undefined` until the first pong: one that `ping.isPong` matched, or with
   * transport `"tcp"` a pong frame. A pong that waited while reading was paused
   * does not count.
   */
  readonly rtt: RttStats | undefined;
  /** Milliseconds since the epoch; `undefined` while not open. */
  readonly connectedSince: number | undefined;
  /**
   * When the last message arrived, in milliseconds since the epoch; up to a
   * second late, as the heartbeat samples it. `undefined` before the first
   * message.
   */
  readonly lastMessageAt: number | undefined;
  /**
   * Milliseconds without an open connection, from the first one to the end of
   * the client, by a monotonic clock.
   */
  readonly downtime: number;
}

/** A time without a connection, after there was one. */
interface Outage {
  readonly cause: WSError;
  /** In milliseconds of a monotonic clock. */
  readonly since: number;
  attempts: number;
}

/** How connections came and went, and what arrived on them. */
export class ConnectionLog {
  /** Messages that arrived. */
  messages = 0;
  /** Their bytes: UTF-16 code units of texts, bytes of binary messages. */
  bytes = 0;
  connects = 0;
  disconnects = 0;
  retries = 0;
  rotations = 0;
  #connectedSince: number | undefined;
  /** In milliseconds of a monotonic clock; undefined while open, and before. */
  #downSince: number | undefined;
  #downtime = 0;
  #outage: Outage | undefined;
  /** Most of many thousand clients never have it. */
  #rtt: RttLog | undefined;

  /** The round-trip times of the heartbeat; `undefined` before the first. */
  get rtt(): RttStats | undefined {
    return this.#rtt?.stats();
  }

  /** Adds a round-trip time, in milliseconds. */
  addRtt(ms: number): void {
    this.#rtt ??= new RttLog();
    this.#rtt.add(ms);
  }

  /** When the current connection opened, in milliseconds since the epoch. */
  get connectedSince(): number | undefined {
    return this.#connectedSince;
  }

  /** The client is open; `now` is in milliseconds of a monotonic clock. */
  up(now: number): void {
    this.#downtime = this.downtime(now);
    this.#downSince = undefined;
    this.#connectedSince = Date.now();
  }

  /** Another connection has replaced the one in use. */
  replaced(): void {
    this.#connectedSince = Date.now();
  }

  /** The client is not open any more. */
  down(now: number): void {
    if (this.#connectedSince === undefined) return;
    this.#connectedSince = undefined;
    this.#downSince = now;
  }

  /** The client has ended: from now on nothing is downtime. */
  end(now: number): void {
    this.#downtime = this.downtime(now);
    this.#downSince = undefined;
    this.#connectedSince = undefined;
  }

  /** Milliseconds without an open connection since the first one. */
  downtime(now: number): number {
    return this.#downtime + (now - (this.#downSince ?? now));
  }

  /**
   * There is no connection; nothing changes if there was none before. A hook may
   * run between the end of an outage and `up()`, so the two are kept apart.
   * @param since in milliseconds of a monotonic clock
   */
  startOutage(cause: WSError, since: number): void {
    this.#outage ??= { cause, since, attempts: 0 };
  }

  /** An attempt begins. */
  countAttempt(): void {
    if (this.#outage !== undefined) this.#outage.attempts++;
  }

  /** The outage is over, if there was one: a consumer may have missed messages. */
  endOutage(now: number): Gap | undefined {
    if (this.#outage === undefined) return undefined;
    const { cause, since, attempts } = this.#outage;
    this.#outage = undefined;
    // The wall clock may have been set meanwhile: only the length is certain.
    const to = Date.now();
    return { from: Math.round(to - (now - since)), to, cause, attempts };
  }
}

/** The percentile is of this many of the latest times. */
const RTT_KEPT = 1_000;

/** Sums up round-trip times in bounded memory. */
class RttLog {
  readonly #latest: number[] = [];
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #last = 0;

  /** Adds a time, in milliseconds. */
  add(ms: number): void {
    this.#latest[this.#count % RTT_KEPT] = ms;
    this.#count++;
    this.#sum += ms;
    this.#min = Math.min(this.#min, ms);
    this.#last = ms;
  }

  /**
   * Last, least and mean of all times, and the 99th percentile (nearest rank)
   * of the last 1000; `undefined` before the first.
   */
  stats(): RttStats | undefined {
    const sorted = this.#latest.toSorted((a, b) => a - b);
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1];
    if (p99 === undefined) return undefined;
    const mean = this.#sum / this.#count;
    return { last: this.#last, min: this.#min, mean, p99 };
  }
}

/**
 * What a client has done so far, in numbers.
 *
 * @module
 */

import type { WSErrorCode } from "./errors.ts";

/** The round-trip times of the application heartbeat, in milliseconds. */
export interface RttStats {
  /** The latest. */
  readonly last: number;
  /** The least. */
  readonly min: number;
  /** The mean of all. */
  readonly mean: number;
  /** The 99th percentile. */
  readonly p99: number;
}

/** A snapshot of what a client has done. */
export interface WSStats {
  /**
   * Messages of the queue handed to the network, sent again ones included;
   * pings and what a gate sent are not counted.
   */
  readonly messagesSent: number;
  /** Messages that came in, answers to pings included. */
  readonly messagesReceived: number;
  /** Their bytes of payload. */
  readonly bytesSent: number;
  /** Bytes of binary messages and UTF-16 code units of texts. */
  readonly bytesReceived: number;
  /** Connections opened. */
  readonly connects: number;
  /** Connections ended. */
  readonly disconnects: number;
  /** Waits for another attempt. */
  readonly retries: number;
  /** Connections replaced because of `maxConnectionAge`. */
  readonly rotations: number;
  /** How often each kind of error was reported to `onError`. */
  readonly failures: Readonly<Record<WSErrorCode, number>>;
  /** Messages in the queue. */
  readonly queued: number;
  /** Bytes in the queue. */
  readonly queuedBytes: number;
  /** Messages sent and not yet acknowledged (acknowledged redelivery only). */
  readonly unacknowledged: number;
  /** Accepted messages that were dropped; each was told to `onDrop`. */
  readonly dropped: number;
  /** Messages sent again. */
  readonly redelivered: number;
  /** `undefined` until the first pong that `ping.isPong` matched. */
  readonly rtt: RttStats | undefined;
  /** Milliseconds since the epoch; `undefined` while not open. */
  readonly connectedSince: number | undefined;
  /**
   * Milliseconds since the epoch, as of the heartbeat's last tick; `undefined`
   * before the first message.
   */
  readonly lastMessageAt: number | undefined;
  /**
   * Milliseconds without an open connection, from the first one to the end of
   * the client.
   */
  readonly downtime: number;
}

/** How connections came and went, and what they brought. */
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
  #downSince: number | undefined;
  #downtime = 0;

  /** When the current connection opened, in milliseconds since the epoch. */
  get connectedSince(): number | undefined {
    return this.#connectedSince;
  }

  /** Marks that a connection is open. */
  up(now: number): void {
    this.#downtime = this.downtime(now);
    this.#downSince = undefined;
    this.#connectedSince = now;
  }

  /** Marks that there is no open connection any more. */
  down(now: number): void {
    if (this.#connectedSince === undefined) return;
    this.#connectedSince = undefined;
    this.#downSince = now;
  }

  /** Marks that there will be no connection any more: that is no downtime. */
  end(now: number): void {
    this.#downtime = this.downtime(now);
    this.#downSince = undefined;
    this.#connectedSince = undefined;
  }

  /** Milliseconds without an open connection since the first one. */
  downtime(now: number): number {
    const since = this.#downSince ?? now;
    // The wall clock may have been set back meanwhile.
    return this.#downtime + Math.max(0, now - since);
  }
}

/**
 * The parts of one client, wired together.
 *
 * ```text
 * inbound:   link -> ledger (acknowledgements) -> onMessage -> readers
 *                                              -> or the gate's receive()
 * outbound:  queue -> pump -> link
 * lifecycle: supervisor -> links, one after another
 * ```
 *
 * @module
 */

import type { ClientState, WSCallbacks } from "./callbacks.ts";
import { waitsForItself } from "./client_errors.ts";
import { Rtt } from "./connection/rtt.ts";
import { Readers } from "./inbound/readers.ts";
import { isInsideGate } from "./lifecycle/gate.ts";
import type { Arrivals } from "./lifecycle/link.ts";
import { Supervisor } from "./lifecycle/supervisor.ts";
import type { Message } from "./message.ts";
import { Notifier } from "./notifier.ts";
import { Outbound } from "./outbound/outbound.ts";
import { Outlet } from "./outbound/outlet.ts";
import type { ResolvedConfig } from "./resolve_config.ts";
import { ConnectionLog, type WSStats } from "./stats.ts";

/** The numbers of a client that has not sent. */
const NOTHING_SENT = {
  messagesSent: 0,
  bytesSent: 0,
  queued: 0,
  queuedBytes: 0,
  unacknowledged: 0,
  dropped: 0,
  redelivered: 0,
};

/** The parts of one client. */
export class Engine {
  readonly notifier: Notifier;
  readonly readers: Readers;
  readonly supervisor: Supervisor;
  readonly #config: ResolvedConfig;
  readonly #outlet: Outlet;
  readonly #log = new ConnectionLog();
  readonly #arrivals: Arrivals = { messages: 0, bytes: 0 };
  readonly #roundTrips = new Rtt();

  /**
   * Wires everything and starts nothing.
   * @param owner whose `onConnect` must not wait for its own queue
   * @throws {TypeError} a wrong callback
   */
  constructor(
    config: ResolvedConfig,
    callbacks: WSCallbacks,
    owner: object,
    onState: (state: ClientState) => void,
  ) {
    const notifier = new Notifier(callbacks);
    const onError = notifier.error.bind(notifier);
    this.#config = config;
    this.notifier = notifier;
    this.#outlet = new Outlet(() =>
      new Outbound(config, {
        onDrop: (data, reason) => notifier.drop(data, reason),
        onError,
        mayWait: () => isInsideGate(owner) ? waitsForItself() : undefined,
      })
    );
    const acknowledge = typeof config.redeliver === "string"
      ? undefined
      : (data: Message) => this.outbound.acknowledge(data);
    this.readers = new Readers({
      maxSize: config.receiveBufferMaxSize,
      maxBytes: config.receiveBufferMaxBytes,
      overflow: config.receiveOverflow,
    }, {
      onSlow: (error) => this.supervisor.fail(error),
      onGap: (gap) => notifier.gap(gap),
      onError,
    });
    this.supervisor = new Supervisor({
      config,
      onConnect: callbacks.onConnect?.bind(callbacks),
      notifier,
      log: this.#log,
      link: {
        heartbeat: config,
        holdMaxSize: config.receiveBufferMaxSize,
        holdMaxBytes: config.receiveBufferMaxBytes,
        onTaken: acknowledge,
        outflow: this.#outlet,
        arrivals: this.#arrivals,
        deliver: this.#deliverer(acknowledge),
        onRtt: (ms) => this.#roundTrips.add(ms),
        onError,
      },
      drained: (signal) => this.readers.drained(signal),
      onGap: (gap) => notifier.gap(this.readers.counted(gap)),
      onState,
      owner,
      chance: Math.random,
    });
  }

  /** All that goes out. */
  get outbound(): Outbound {
    return this.#outlet.outbound;
  }

  /**
   * Opens what outlives the process, if anything does.
   * @throws {WSError} `SPOOL` or `PERMISSION`, fatal, when it cannot be opened
   */
  async open(): Promise<void> {
    if (this.#config.spool !== undefined) await this.outbound.open();
  }

  /** Waits at most `ms` until nothing is left to send. Never rejects. */
  async drain(ms: number): Promise<void> {
    await this.#outlet.made?.drain(ms);
  }

  /** A snapshot of what the client has done. */
  stats(): WSStats {
    const { connects, disconnects, retries, rotations, connectedSince } =
      this.#log;
    const outbound = this.#outlet.made ?? NOTHING_SENT;
    const { messagesSent, bytesSent, queued, queuedBytes } = outbound;
    const { unacknowledged, dropped, redelivered } = outbound;
    return {
      messagesSent,
      messagesReceived: this.#arrivals.messages,
      bytesSent,
      bytesReceived: this.#arrivals.bytes,
      connects,
      disconnects,
      retries,
      rotations,
      failures: { ...this.notifier.failures },
      queued,
      queuedBytes,
      unacknowledged,
      dropped,
      redelivered,
      rtt: this.#roundTrips.stats(),
      connectedSince,
      lastMessageAt: this.supervisor.lastMessageAt,
      downtime: this.#log.downtime(Date.now()),
    };
  }

  /** Who gets a message, in this order: the ledger, the callback, the readers. */
  #deliverer(
    acknowledge: ((data: Message) => void) | undefined,
  ): (data: Message) => void {
    const { readers } = this;
    const { message = () => {} } = this.notifier;
    if (acknowledge === undefined) {
      return (data) => {
        message(data);
        readers.deliver(data);
      };
    }
    return (data) => {
      acknowledge(data);
      message(data);
      readers.deliver(data);
    };
  }
}

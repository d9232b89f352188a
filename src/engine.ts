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
 * The engine itself is what its parts ask and tell: with an object and closures
 * for each of them, an idle client would cost a fifth more memory.
 *
 * @module
 */

import type { ClientState, Gap, Session, WSCallbacks } from "./callbacks.ts";
import { internalError, waitsForItself } from "./client_errors.ts";
import type { HeartbeatOptions } from "./connection/heartbeat.ts";
import { Rtt } from "./connection/rtt.ts";
import { WSError } from "./errors.ts";
import { Readers, type ReadersHooks } from "./inbound/readers.ts";
import { isInsideGate } from "./lifecycle/gate.ts";
import type { Arrivals, LinkParts, Outflow } from "./lifecycle/link.ts";
import { Supervisor } from "./lifecycle/supervisor.ts";
import type { SupervisorParts } from "./lifecycle/supervisor_parts.ts";
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

/**
 * Told where the client is in its life. Last and once comes `"closed"`, with
 * the error that ended it, if one did.
 */
export type OnState = (state: ClientState, error?: WSError) => void;

/** The parts of one client. */
export class Engine implements SupervisorParts, LinkParts, ReadersHooks {
  readonly config: ResolvedConfig;
  readonly owner: object;
  readonly notifier: Notifier;
  readonly log = new ConnectionLog();
  readonly supervisor: Supervisor;
  readonly onState: OnState;
  readonly onConnect: ((session: Session) => unknown) | undefined;
  readonly #outlet: Outlet;
  // What most of many thousand clients never need is made when it is needed.
  #readers: Readers | undefined;
  #roundTrips: Rtt | undefined;

  /**
   * Wires everything and starts nothing.
   * @param owner whose `onConnect` must not wait for its own queue
   * @throws {TypeError} a wrong callback
   */
  constructor(
    config: ResolvedConfig,
    callbacks: WSCallbacks,
    owner: object,
    onState: OnState,
  ) {
    this.config = config;
    this.owner = owner;
    this.onState = onState;
    this.notifier = new Notifier(callbacks);
    this.onConnect = callbacks.onConnect?.bind(callbacks);
    this.#outlet = new Outlet(() => this.#makeOutbound());
    this.supervisor = new Supervisor(this);
  }

  /** Opens what outlives the process, if anything does, and connects. */
  run(): void {
    if (this.config.spool === undefined) this.supervisor.run();
    else {
      this.outbound.open().then(
        () => this.supervisor.run(),
        (cause) => this.onEnd(this.broken(cause)),
      );
    }
  }

  /** Waits at most `ms` until nothing is left to send. Never rejects. */
  async drain(ms: number): Promise<void> {
    await this.#outlet.made?.drain(ms);
  }

  /** All that goes out. */
  get outbound(): Outbound {
    return this.#outlet.outbound;
  }

  /** All who read. */
  get readers(): Readers {
    return this.#readers ??= new Readers({
      maxSize: this.config.receiveBufferMaxSize,
      maxBytes: this.config.receiveBufferMaxBytes,
      overflow: this.config.receiveOverflow,
    }, this);
  }

  /** A snapshot of what the client has done. */
  stats(): WSStats {
    const { connects, disconnects, retries, rotations, connectedSince } =
      this.log;
    const outbound = this.#outlet.made ?? NOTHING_SENT;
    const { messagesSent, bytesSent, queued, queuedBytes } = outbound;
    const { unacknowledged, dropped, redelivered } = outbound;
    return {
      messagesSent,
      messagesReceived: this.log.messages,
      bytesSent,
      bytesReceived: this.log.bytes,
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
      rtt: this.#roundTrips?.stats(),
      connectedSince,
      lastMessageAt: this.supervisor.lastMessageAt,
      downtime: this.log.downtime(Date.now()),
    };
  }

  // What the supervisor needs ----------------------------------------------------

  get linkParts(): LinkParts {
    return this;
  }

  chance(): number {
    return Math.random();
  }

  async readersCaughtUp(signal: AbortSignal): Promise<void> {
    await this.#readers?.drained(signal);
  }

  onOutage(gap: Gap): void {
    this.notifier.gap(this.#readers?.counted(gap) ?? gap);
  }

  onEnd(error: WSError | undefined): void {
    this.onState("closed", error);
  }

  broken(cause: unknown): WSError {
    const error = cause instanceof WSError ? cause : internalError(cause);
    this.notifier.error(error);
    return error;
  }

  // What links need --------------------------------------------------------------

  get heartbeat(): HeartbeatOptions {
    return this.config;
  }

  get hasGate(): boolean {
    return this.onConnect !== undefined;
  }

  get holdMaxSize(): number {
    return this.config.receiveBufferMaxSize;
  }

  get holdMaxBytes(): number {
    return this.config.receiveBufferMaxBytes;
  }

  get outflow(): Outflow {
    return this.#outlet;
  }

  get arrivals(): Arrivals {
    return this.log;
  }

  /** Who gets a message, in this order: the ledger, the callback, the readers. */
  deliver(data: Message): void {
    this.#acknowledge(data);
    this.notifier.message(data);
    this.#readers?.deliver(data);
  }

  onTaken(data: Message): void {
    this.#acknowledge(data);
  }

  onRtt(ms: number): void {
    this.#roundTrips ??= new Rtt();
    this.#roundTrips.add(ms);
  }

  onError(error: WSError): void {
    this.notifier.error(error);
  }

  // What readers tell ------------------------------------------------------------

  onSlow(error: WSError): void {
    this.supervisor.fail(error);
  }

  onGap(gap: Gap): void {
    this.notifier.gap(gap);
  }

  #acknowledge(data: Message): void {
    if (typeof this.config.redeliver === "object") {
      this.outbound.acknowledge(data);
    }
  }

  #makeOutbound(): Outbound {
    return new Outbound(this.config, {
      onDrop: (data, reason) => this.notifier.drop(data, reason),
      onError: (error) => this.notifier.error(error),
      mayWait: () => isInsideGate(this.owner) ? waitsForItself() : undefined,
    });
  }
}

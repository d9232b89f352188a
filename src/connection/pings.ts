/**
 * The pings of one connection: ours with their pongs, and our replies to the
 * server's.
 *
 * A pong belongs to the oldest ping that is still awaited: TCP keeps the order.
 * A ping that was not answered within `pingTimeout` is forgotten, so that a
 * server that ignores one does not shift the times of all later ones. While
 * reading is paused a pong waits unread, so it gives no round-trip time. Protocol
 * pings carry a number, which their pongs repeat (RFC 6455, section 5.5.3).
 *
 * Replies are bounded: a server that pings and never reads gets a reply to its
 * latest ping only, once the earlier ones have left.
 *
 * @module
 */

import type { PingConfig } from "../config.ts";
import { callbackError, type WSError } from "../errors.ts";
import { isPromise } from "../handled.ts";
import { byteLength, isMessage, type Message } from "../message.ts";
import { wrongKind, wrongSecret } from "../rules.ts";
import type { Socket } from "../transport/transport.ts";

/** What pings need of the socket. */
export type PingSocket = Pick<Socket, "bufferedAmount" | "ping">;

/** What pings need of their connection. */
export interface PingTarget {
  /** Whether we have stopped reading. */
  readonly isPaused: boolean;
  /** Sends ahead of the queue; must not throw. */
  sendUrgent(data: Message): void;
  /** The round-trip time of a ping, in milliseconds. */
  onRtt(ms: number): void;
  /** A function of the program threw; the exception is not passed on. */
  onError(error: WSError): void;
}

/** How many bytes replies may take up in the socket. */
const MAX_REPLY_BYTES = 256 * 1024;

interface AwaitedPing {
  readonly id: number;
  /** In milliseconds of a monotonic clock. */
  readonly sentAt: number;
  /** Whether its pong gives a round-trip time. */
  isTimed: boolean;
}

/** Sends pings, matches pongs and replies to the server's pings. */
export class Pings {
  readonly #config: PingConfig;
  readonly #socket: PingSocket;
  readonly #target: PingTarget;
  readonly #now: () => number;
  #lastId = 0;
  #awaited: AwaitedPing[] = [];
  /** An upper bound of the bytes of replies in the socket. */
  #replyBytes = 0;
  /** The reply that waits until earlier ones have left. */
  #nextReply: Message | undefined;

  /** @param now a monotonic clock, in milliseconds */
  constructor(
    config: PingConfig,
    socket: PingSocket,
    target: PingTarget,
    now: () => number,
  ) {
    this.#config = config;
    this.#socket = socket;
    this.#target = target;
    this.#now = now;
  }

  /** Whether inbound messages may belong to the heartbeat. */
  get needsMessages(): boolean {
    return this.#config.isPong !== undefined ||
      this.#config.answer !== undefined;
  }

  /** Sends a ping; `false` when there was nothing to send. */
  send(timeout: number): boolean {
    const now = this.#now();
    const { message } = this.#config;
    if (message !== undefined) {
      const data = typeof message === "function"
        ? this.#guarded("ping.message", () => requireMessage(message()))
        : message;
      if (data === undefined) return false;
      this.#await(now, timeout);
      this.#target.sendUrgent(data);
      return true;
    }
    if (this.#socket.ping === undefined) return false;
    this.#socket.ping(this.#await(now, timeout));
    return true;
  }

  /** A pong frame arrived. */
  onPong(id: number): void {
    const index = this.#awaited.findIndex((ping) => ping.id === id);
    const ping = this.#awaited[index];
    if (ping === undefined) return;
    // A server may answer the latest of several pings only (section 5.5.3).
    this.#awaited.splice(0, index + 1);
    this.#report(ping);
  }

  /** Reading is paused: pongs of the pings sent so far may be read late. */
  onPause(): void {
    for (const ping of this.#awaited) ping.isTimed = false;
  }

  /** Whether the message belongs to the heartbeat and is not to be delivered. */
  intercept(data: Message): boolean {
    return this.#isPong(data) || this.#reply(data);
  }

  /** Called at each check of the heartbeat. */
  onCheck(): void {
    this.#checkReplies();
    const reply = this.#nextReply;
    if (reply === undefined || this.#replyBytes > 0) return;
    this.#nextReply = undefined;
    this.#sendReply(reply);
  }

  #report({ sentAt, isTimed }: AwaitedPing): void {
    if (isTimed) this.#target.onRtt(this.#now() - sentAt);
  }

  #await(now: number, timeout: number): number {
    const id = ++this.#lastId;
    this.#forgetOlderThan(now - timeout);
    const isTimed = !this.#target.isPaused;
    this.#awaited.push({ id, sentAt: now, isTimed });
    return id;
  }

  #forgetOlderThan(moment: number): void {
    while (
      this.#awaited[0] !== undefined && this.#awaited[0].sentAt <= moment
    ) {
      this.#awaited.shift();
    }
  }

  #isPong(data: Message): boolean {
    const { isPong } = this.#config;
    if (isPong === undefined) return false;
    if (!this.#guarded("ping.isPong", () => requireAnswer(isPong(data)))) {
      return false;
    }
    const ping = this.#awaited.shift();
    if (ping !== undefined) this.#report(ping);
    return true;
  }

  #reply(data: Message): boolean {
    const { answer } = this.#config;
    if (answer === undefined) return false;
    const result = this.#guarded("ping.answer", () => {
      const answered = answer(data);
      return answered === undefined ? undefined : toReply(answered);
    });
    if (result === undefined) return false;
    const bytes = byteLength(result.reply);
    if (this.#hasRoomFor(bytes)) this.#sendReply(result.reply);
    else this.#nextReply = result.reply;
    return !result.deliver;
  }

  #hasRoomFor(bytes: number): boolean {
    if (this.#replyBytes + bytes <= MAX_REPLY_BYTES) return true;
    this.#checkReplies();
    return this.#replyBytes === 0 ||
      this.#replyBytes + bytes <= MAX_REPLY_BYTES;
  }

  #checkReplies(): void {
    const { bufferedAmount = 0 } = this.#socket;
    this.#replyBytes = Math.min(this.#replyBytes, bufferedAmount);
  }

  #sendReply(reply: Message): void {
    this.#replyBytes += byteLength(reply);
    this.#target.sendUrgent(reply);
  }

  #guarded<T>(name: string, call: () => T): T | undefined {
    try {
      return call();
    } catch (cause) {
      this.#target.onError(callbackError(name, cause));
      return undefined;
    }
  }
}

interface Reply {
  readonly reply: Message;
  /** Whether the server's message is delivered as well. */
  readonly deliver: boolean;
}

function toReply(value: unknown): Reply {
  if (typeof value === "object" && value !== null && "reply" in value) {
    const deliver = "deliver" in value && Boolean(value.deliver);
    return { reply: requireMessage(value.reply), deliver };
  }
  return { reply: requireMessage(value), deliver: false };
}

function requireAnswer(value: unknown): boolean {
  if (!isPromise(value)) return Boolean(value);
  throw wrongKind("ping.isPong", "a function that returns a boolean", value);
}

function requireMessage(value: unknown): Message {
  if (isMessage(value)) return value;
  isPromise(value); // of an async function: it must not end the program
  throw wrongSecret("ping", "a function that returns a message", value);
}

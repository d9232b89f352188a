/**
 * A link over a socket that a test speaks for, without any network.
 *
 * @module
 */

import type { SocketEnd, SocketListener } from "../../src/connection/socket.ts";
import { WSError } from "../../src/errors.ts";
import {
  Link,
  type LinkParts,
  type LinkSocket,
} from "../../src/lifecycle/link.ts";
import type { Message } from "../../src/message.ts";

/** A socket whose peer is the test. */
export class FakeSocket implements LinkSocket {
  readonly url = "ws://example.com/feed";
  readonly protocol = "chat";
  readonly sent: Message[] = [];
  /** What was done to it besides sending, in order. */
  readonly log: string[] = [];
  handed = 0;
  bufferedAmount: number | undefined = 0;
  readonly #waiting: Message[] = [];
  #listener: SocketListener | undefined;
  #end: SocketEnd | undefined;

  /** The peer sends. */
  say(...messages: Message[]): void {
    for (const data of messages) {
      if (this.#listener === undefined) this.#waiting.push(data);
      else if (this.#end === undefined) this.#listener.onMessage(data);
    }
  }

  /** The connection ends. */
  end(end: Partial<SocketEnd> = {}): void {
    this.bufferedAmount = undefined;
    if (this.#end !== undefined) return;
    this.#end = { code: 1006, reason: "", wasClean: false, ...end };
    this.#listener?.onEnd(this.#end);
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
    const end = this.#end;
    for (const data of this.#waiting.splice(0)) listener.onMessage(data);
    // Unless the listener has ended it itself, and heard of it.
    if (end !== undefined) listener.onEnd(end);
  }

  send(data: Message): void {
    this.handed += data.length;
    this.sent.push(data);
  }

  close(code: number, reason: string, timeout: number): void {
    this.log.push(`close ${code} ${reason} ${timeout}`);
    this.bufferedAmount = undefined;
  }

  abandon(): void {
    this.log.push("abandon");
    this.end();
  }
}

/** What a link did to its surroundings. */
export class FakeLink {
  readonly socket = new FakeSocket();
  readonly delivered: Message[] = [];
  readonly errors: WSError[] = [];
  readonly arrivals = { messages: 0, bytes: 0 };
  readonly roundTrips: number[] = [];
  readonly link: Link;

  /** `said`, and perhaps the `end`, came before there was a link. */
  constructor(
    parts: Partial<LinkParts> = {},
    said: Message[] = [],
    end?: Partial<SocketEnd>,
  ) {
    this.socket.say(...said);
    if (end !== undefined) this.socket.end(end);
    const { log } = this.socket;
    this.link = new Link(this.socket, {
      heartbeat: { pingInterval: 0, pingTimeout: 20_000, idleTimeout: 0 },
      hasGate: true,
      holdMaxSize: 10,
      holdMaxBytes: 1_000,
      outflow: {
        attach: (sink) => log.push(`attach ${sink === this.socket}`),
        pause: () => log.push("pause"),
        detach: (delivered) =>
          log.push(`detach ${delivered} ${this.socket.bufferedAmount}`),
        sendUrgent: (data) => log.push(`urgent ${data}`),
      },
      arrivals: this.arrivals,
      deliver: (data) => this.delivered.push(data),
      onRtt: (ms) => this.roundTrips.push(ms),
      onError: (error) => this.errors.push(error),
      ...parts,
    });
  }

  /** Ends it, so that nothing of it is left running. */
  [Symbol.dispose](): void {
    this.link.drop();
  }
}

/** An error to end a link with. */
export function broken(message = "broken"): WSError {
  return new WSError(message, { code: "HEARTBEAT", severity: "transient" });
}

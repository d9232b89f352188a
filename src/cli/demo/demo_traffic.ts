/**
 * The two ends of the demo. Both number the messages that they send, and count
 * those that they receive; the server acknowledges, and breaks its connection in
 * several ways.
 *
 * A broken connection does not stop the server, as it would not stop a real
 * feed: it goes on producing, and a client that comes back says which number it
 * had last.
 *
 * @module
 */

import {
  type Message,
  WebSocketStreamClient,
  type WSCallbacks,
} from "../../../mod.ts";
import type { Peer } from "../../server/peer.ts";
import { serve, type WebSocketServer } from "../../server/server.ts";

/** A message of the demo, as JSON. */
type DemoMessage =
  /** The client sends a number, */
  | { readonly kind: "client"; readonly number: number }
  /** the server acknowledges it. */
  | { readonly kind: "received"; readonly number: number }
  /** The server sends a number, */
  | { readonly kind: "feed"; readonly number: number }
  /** and the client, on each connection, which one it had last. */
  | { readonly kind: "resume"; readonly number: number }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" };

function text(message: DemoMessage): string {
  return JSON.stringify(message);
}

function read(data: Message): DemoMessage {
  return JSON.parse(String(data));
}

/** The number of a message of that kind. */
function numberOf(
  data: Message,
  kind: "client" | "received" | "feed",
): number | undefined {
  const message = read(data);
  return message.kind === kind ? message.number : undefined;
}

/** The numbers that one end has received. */
class Receipts {
  readonly #numbers = new Set<number>();
  #all = 0;

  add(number: number): void {
    this.#all++;
    this.#numbers.add(number);
  }

  /** How many different ones. */
  get received(): number {
    return this.#numbers.size;
  }

  /** How many were received a second time. */
  get repeated(): number {
    return this.#all - this.#numbers.size;
  }
}

/** The ways in which the demo breaks a connection. */
export type DemoFault = "drop" | "reset" | "close" | "half-open" | "refuse";

/** How many handshakes are refused after a `"refuse"`. */
const REFUSALS = 2;

/** How long either end waits for the other to close, in milliseconds. */
const CLOSE_TIMEOUT = 50;

/** A numbered feed that also listens. */
export class DemoServer implements AsyncDisposable {
  readonly receipts = new Receipts();
  readonly #server: WebSocketServer;
  #produced = 0;
  #peer: Peer | undefined;
  #refusals = 0;

  constructor() {
    this.#server = serve({
      closeTimeout: CLOSE_TIMEOUT,
      accept: () => this.#refusals-- > 0 ? { status: 503 } : undefined,
      onPeer: (peer) => {
        peer.onmessage = (data) => this.#receive(peer, read(data));
      },
    });
  }

  /** Where it listens. */
  get url(): string {
    return this.#server.url;
  }

  /** How many messages it has sent so far, received or not. */
  get produced(): number {
    return this.#produced;
  }

  /** Sends the next number, if a client is connected. */
  produce(): void {
    this.#send(this.#peer, { kind: "feed", number: ++this.#produced });
  }

  /** Breaks the connection. */
  break(fault: DemoFault): void {
    const peer = this.#peer;
    this.#peer = undefined;
    switch (fault) {
      case "drop":
        peer?.drop();
        return;
      case "reset":
        peer?.reset();
        return;
      case "close":
        peer?.close(1011, "server restart");
        return;
      case "half-open":
        peer?.blackhole();
        return;
      case "refuse":
        this.#refusals = REFUSALS;
        peer?.drop();
        return;
      default:
        fault satisfies never;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }

  #receive(peer: Peer, message: DemoMessage): void {
    switch (message.kind) {
      case "client":
        this.receipts.add(message.number);
        return this.#send(peer, { kind: "received", number: message.number });
      case "resume":
        this.#peer = peer;
        for (let n = message.number + 1; n <= this.#produced; n++) {
          this.#send(peer, { kind: "feed", number: n });
        }
        return;
      case "ping":
        return this.#send(peer, { kind: "pong" });
      case "feed":
      case "received":
      case "pong":
        return; // ours
      default:
        message satisfies never;
    }
  }

  #send(peer: Peer | undefined, message: DemoMessage): void {
    if (peer?.state === "open") peer.send(text(message));
  }
}

/** The client of the demo. */
export class DemoClient {
  readonly receipts = new Receipts();
  readonly client: WebSocketStreamClient;
  #last = 0;
  #sent = 0;

  constructor(
    url: string,
    callbacks: Pick<WSCallbacks, "onDisconnect" | "onRetry" | "onGap"> = {},
  ) {
    this.client = new WebSocketStreamClient({
      url,
      // A demo has little time: an application leaves these as they are.
      initialBackoff: 150,
      maxBackoff: 400,
      closeTimeout: CLOSE_TIMEOUT,
      ping: {
        message: text({ kind: "ping" }),
        isPong: (data) => read(data).kind === "pong",
      },
      pingInterval: 200,
      pingTimeout: 300,
      redeliver: {
        id: (data) => numberOf(data, "client") ?? 0,
        acknowledged: (data) => numberOf(data, "received"),
      },
    }, {
      ...callbacks,
      onConnect: (session) =>
        session.send(text({ kind: "resume", number: this.#last })),
      onMessage: (data) => {
        const number = numberOf(data, "feed");
        if (number === undefined) return;
        this.receipts.add(number);
        this.#last = number;
      },
    });
  }

  /** Sends the next number; without a connection it waits in the queue. */
  send(): void {
    this.client.sendText(text({ kind: "client", number: ++this.#sent }));
  }

  /** How many messages it has sent. */
  get sent(): number {
    return this.#sent;
  }
}

/** One direction. */
export interface Direction {
  readonly sent: number;
  /** Different messages. */
  readonly received: number;
  /** How many were received a second time. */
  readonly repeated: number;
}

/** Both directions, and what happened to the connection. */
export interface Tally {
  readonly up: Direction;
  readonly down: Direction;
  readonly reconnects: number;
  /** Without a connection, in milliseconds. */
  readonly downtime: number;
}

/** The numbers of the two ends together. */
export function tallyOf(
  { produced, receipts: up }: DemoServer,
  { client, sent, receipts: down }: DemoClient,
): Tally {
  const { connects, downtime } = client.stats;
  return {
    up: { sent, received: up.received, repeated: up.repeated },
    down: { sent: produced, received: down.received, repeated: down.repeated },
    reconnects: connects - 1,
    downtime,
  };
}

/** How many messages one side sent and the other does not have. */
export function lostOf({ up, down }: Tally): number {
  return up.sent - up.received + down.sent - down.received;
}

/**
 * The client of the demo: it sends numbers, receives numbers, and counts.
 *
 * @module
 */

import {
  type DisconnectInfo,
  type Gap,
  type Message,
  WebSocketStreamClient,
} from "../../../mod.ts";
import type { DemoMessage } from "./demo_server.ts";

/** Called with what happens to the connection. */
export interface DemoEvents {
  readonly onBroken: (info: DisconnectInfo) => void;
  readonly onRetry: (reason: string) => void;
  readonly onBack: (gap: Gap) => void;
}

/** Counts what goes each way. */
export class DemoClient {
  readonly #client: WebSocketStreamClient;
  /** Every number of the feed; a number counts once. */
  readonly #received = new Set<number>();
  #receipts = 0;
  #last = 0;
  #sent = 0;

  constructor(url: string, events: DemoEvents) {
    this.#client = new WebSocketStreamClient({
      url,
      // A demo has little time: an application leaves these as they are.
      initialBackoff: 150,
      maxBackoff: 400,
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
      onConnect: (session) =>
        session.send(text({ kind: "resume", after: this.#last })),
      onMessage: (data) => this.#receive(data),
      onDisconnect: (info) => {
        if (info.willRetry) events.onBroken(info);
      },
      onRetry: ({ error }) => {
        if (error.status !== undefined) events.onRetry(`HTTP ${error.status}`);
      },
      onGap: events.onBack,
    });
  }

  /** Connects. */
  start(): Promise<void> {
    return this.#client.start();
  }

  /** Sends the next number; without a connection it waits in the queue. */
  send(): void {
    this.#sent++;
    this.#client.sendText(text({ kind: "client", number: this.#sent }));
  }

  /** Waits until the server has acknowledged everything, at most `ms`. */
  flush(ms: number): Promise<boolean> {
    return this.#client.flush(ms);
  }

  /** Ends it, without another wait for what was not acknowledged. */
  async stop(): Promise<void> {
    await this.#client.stop({ drain: 0 });
  }

  /** How many messages it has sent. */
  get sent(): number {
    return this.#sent;
  }

  /** How many different messages the server sent. */
  get received(): number {
    return this.#received.size;
  }

  /** How many were received a second time. */
  get repeated(): number {
    return this.#receipts - this.#received.size;
  }

  /** What the client itself counts. */
  get stats() {
    return this.#client.stats;
  }

  #receive(data: Message): void {
    const number = numberOf(data, "feed");
    if (number === undefined) return;
    this.#receipts++;
    this.#received.add(number);
    this.#last = number;
  }
}

function text(message: DemoMessage): string {
  return JSON.stringify(message);
}

function read(data: Message): DemoMessage {
  return JSON.parse(String(data));
}

function numberOf(
  data: Message,
  kind: "client" | "received" | "feed",
): number | undefined {
  const message = read(data);
  return message.kind === kind ? message.number : undefined;
}

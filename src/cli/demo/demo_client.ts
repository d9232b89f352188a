/**
 * The client of the demo: it says numbers, listens to numbers, and counts.
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

/** Who is told what happens to the link. */
export interface DemoEvents {
  readonly onCut: (info: DisconnectInfo) => void;
  readonly onRetry: (reason: string) => void;
  readonly onBack: (gap: Gap) => void;
}

/** Counts what goes each way. */
export class DemoClient {
  readonly #client: WebSocketStreamClient;
  /** Every number of the feed; twice is still once. */
  readonly #received = new Set<number>();
  #heard = 0;
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
      onMessage: (data) => this.#hear(data),
      onDisconnect: (info) => {
        if (info.willRetry) events.onCut(info);
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

  /** Says the next number; without a link it waits in the queue. */
  say(): void {
    this.#sent++;
    this.#client.sendText(text({ kind: "client", number: this.#sent }));
  }

  /** Waits until the server has acknowledged everything, at most `ms`. */
  settle(ms: number): Promise<boolean> {
    return this.#client.flush(ms);
  }

  /** Ends it, without another wait for what was not acknowledged. */
  async stop(): Promise<void> {
    await this.#client.stop({ drain: 0 });
  }

  /** How many messages it has said. */
  get sent(): number {
    return this.#sent;
  }

  /** How many different messages came from the server. */
  get received(): number {
    return this.#received.size;
  }

  /** How many came more than once. */
  get repeated(): number {
    return this.#heard - this.#received.size;
  }

  /** What the client itself counts. */
  get stats() {
    return this.#client.stats;
  }

  #hear(data: Message): void {
    const number = numberOf(data, "feed");
    if (number === undefined) return;
    this.#heard++;
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

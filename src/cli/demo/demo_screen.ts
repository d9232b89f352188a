/**
 * What the demo shows: a line for each event, and on a terminal one line below
 * that counts. Every line fits into 80 columns.
 *
 * @module
 */

import { showCount, showDuration, type Style, wrap } from "../format.ts";
import type { Sink } from "../stdio.ts";
import type { DemoFault } from "./demo_server.ts";

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

/** How many messages one side sent and the other does not have. */
export function lostOf({ up, down }: Tally): number {
  return up.sent - up.received + down.sent - down.received;
}

/** 0 if nothing was lost and every fault was survived. */
export function demoExitCode(tally: Tally, faults: number): 0 | 1 {
  return lostOf(tally) === 0 && tally.reconnects >= faults ? 0 : 1;
}

/** Where and how it is shown. */
export interface ScreenOptions {
  readonly sink: Sink;
  readonly style: Style;
  /** Whether a line may be drawn over. */
  readonly live: boolean;
  readonly width: number;
}

const EXPLANATION =
  "Now 200 messages a second flow each way, while the connection is broken in " +
  "five ways. After each reconnect the client repeats what the server has not " +
  "acknowledged, and asks for what it missed.";

const FAULTS: Readonly<Record<DemoFault, string>> = {
  "drop": "the server hangs up without a word",
  "reset": "the connection is reset",
  "refuse": "the server restarts, and is not ready at once",
  "close": 'the server closes with 1011 "server restart"',
  "half-open": "the network goes silent: no data, no end",
};

const NEXT: readonly (readonly [line: string, does: string])[] = [
  ["ws-stream serve 9000 --feed", "a feed to play with; then, elsewhere,"],
  ["ws-stream ws://127.0.0.1:9000", "watch it, or pipe it into a program"],
  ["ws-stream probe wss://HOST/PATH", "see why something does not connect"],
  ["ws-stream --help", "everything, with an example for each job"],
];

const ERASE_LINE = "\r\x1b[K";
const BAR = 24;

/** Draws the demo. */
export class DemoScreen {
  readonly #options: ScreenOptions;
  readonly #encoder = new TextEncoder();
  #start = 0;
  #status = "";

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  /** A line as it is. */
  line(text: string): void {
    const { live } = this.#options;
    this.#put(live ? `${ERASE_LINE}${text}\n${this.#status}` : `${text}\n`);
  }

  /** What is to come. */
  begin(): void {
    const { width } = this.#options;
    this.line("");
    wrap(EXPLANATION, Math.min(width, 80)).forEach((line) => this.line(line));
    this.line("");
    this.#start = performance.now();
  }

  /** The first connection. */
  connected(): void {
    this.#event(this.#options.style.green("connected"));
  }

  /** The connection is broken. */
  fault(fault: DemoFault): void {
    this.#event(this.#options.style.yellow(FAULTS[fault]));
  }

  /** The client has found a dead connection by itself. */
  noticed(why: string): void {
    this.#event(this.#options.style.yellow(`the client notices: ${why}`));
  }

  /** An attempt that the server refused. */
  refused(answer: string): void {
    this.#event(this.#options.style.yellow(`refused: ${answer}`));
  }

  /** Connected again. */
  back(after: number): void {
    this.#event(
      this.#options.style.green(`connected again after ${showDuration(after)}`),
    );
  }

  /**
   * The counts so far, on a terminal.
   * @param progress how much of the demo is over, 0 to 1
   */
  status({ up, down }: Tally, progress: number): void {
    const { live, style } = this.#options;
    if (!live) return;
    const full = Math.round(Math.min(progress, 1) * BAR);
    const bar = style.green("█".repeat(full)) +
      style.dim("░".repeat(BAR - full));
    const counts = `sent ${showCount(up.sent + down.sent)}, ` +
      `received ${showCount(up.received + down.received)}`;
    this.#status = `        ${bar}  ${counts}`;
    this.#put(`${ERASE_LINE}${this.#status}`);
  }

  /** The result, and what to try next. */
  summary(tally: Tally): void {
    const { style } = this.#options;
    const { up, down, reconnects, downtime } = tally;
    const lost = lostOf(tally);
    this.finish();
    this.line("");
    this.line(style.dim(row("", ["sent", "received", "twice", "lost"])));
    this.line(directionRow("client to server", up));
    this.line(directionRow("server to client", down));
    this.line("");
    const paint = lost === 0 ? style.green : style.red;
    const result = `sent ${up.sent + down.sent}, ` +
      `received ${up.received + down.received}, ` +
      `reconnects ${reconnects}, lost ${lost}`;
    const offline = ` (${showDuration(downtime)} without a connection)`;
    this.line(paint(style.bold(result)) + style.dim(offline));
    this.line("");
    this.line("Try next:");
    for (const [line, does] of NEXT) {
      this.line(`  ${style.cyan(line.padEnd(33))} ${style.dim(does)}`);
    }
  }

  /** Removes the counting line. */
  finish(): void {
    this.#status = "";
    if (this.#options.live) this.#put(ERASE_LINE);
  }

  #event(text: string): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const time = `${seconds.toFixed(1)} s`.padStart(6);
    this.line(`${this.#options.style.dim(time)}  ${text}`);
  }

  #put(text: string): void {
    this.#options.sink.write(this.#encoder.encode(text));
  }
}

function directionRow(
  title: string,
  { sent, received, repeated }: Direction,
): string {
  return row(title, [sent, received, repeated, sent - received].map(showCount));
}

function row(title: string, cells: readonly string[]): string {
  return `  ${title.padEnd(18)}` +
    cells.map((cell) => cell.padStart(10)).join("");
}

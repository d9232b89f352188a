/**
 * The screen of the demo: a line for each event, and on a terminal a counting
 * line below. Every line fits into 80 columns.
 *
 * @module
 */

import { showCount, showDuration, type Style, wrap } from "../format.ts";
import type { Sink } from "../stdio.ts";
import { type Direction, lostOf, type Tally } from "./demo_traffic.ts";

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

const NEXT: readonly (readonly [line: string, does: string])[] = [
  ["ws-stream serve 9000 --feed", "a feed to play with; then, elsewhere,"],
  ["ws-stream ws://127.0.0.1:9000", "watch it, or pipe it into a program"],
  ["ws-stream probe wss://HOST/PATH", "see why something does not connect"],
  ["ws-stream --help", "everything, with an example for each job"],
];

const ERASE_LINE = "\r\x1b[K";
/** The columns of the line of counts. */
const INDENT = 8;
const BAR = 24;
const GAP = 2;

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

  /** The explanation of the second part. */
  begin(): void {
    const { width } = this.#options;
    this.line("");
    wrap(EXPLANATION, Math.min(width, 80)).forEach((line) => this.line(line));
    this.line("");
    this.#start = performance.now();
  }

  /** Something broke. */
  trouble(text: string): void {
    this.#event(this.#options.style.magenta(text));
  }

  /** Something works again. */
  good(text: string): void {
    this.#event(this.#options.style.green(text));
  }

  /**
   * The counts so far, on a terminal.
   * @param progress how much of the demo is over, 0 to 1
   */
  status(tally: Tally, progress: number): void {
    const { live, style, width } = this.#options;
    if (!live) return;
    const full = Math.round(Math.min(progress, 1) * BAR);
    const bar = style.green("█".repeat(full)) +
      style.dim("░".repeat(BAR - full));
    const text = counts(tally);
    // A line that a terminal breaks cannot be drawn over.
    this.#status = INDENT + BAR + GAP + text.length < width
      ? `${" ".repeat(INDENT)}${bar}${" ".repeat(GAP)}${text}`
      : text.slice(0, width - 1);
    this.#put(`${ERASE_LINE}${this.#status}`);
  }

  /** The counts of a demo that was broken off: messages are on their way. */
  interrupted(tally: Tally): void {
    this.finish();
    this.line("");
    this.line(`interrupted: ${counts(tally)}, reconnects ${tally.reconnects}`);
  }

  /** The result, and what to try next. */
  summary(tally: Tally): void {
    const { style } = this.#options;
    const { up, down, reconnects } = tally;
    const lost = lostOf(tally);
    this.finish();
    this.line("");
    this.line(style.dim(row("", ["sent", "received", "twice", "lost"])));
    this.line(directionRow("client to server", up));
    this.line(directionRow("server to client", down));
    this.line("");
    const paint = lost === 0 ? style.green : style.red;
    // Plain numbers: a script may look for them.
    const result = `sent ${up.sent + down.sent}, ` +
      `received ${up.received + down.received}, ` +
      `reconnects ${reconnects}, lost ${lost}`;
    const offline = ` (${showDuration(tally.downtime)} without a connection)`;
    this.line(paint(style.bold(result)) + style.dim(offline));
    this.line("");
    this.line("Try next:");
    for (const [line, does] of NEXT) {
      this.line(`  ${style.bold(line.padEnd(33))} ${style.dim(does)}`);
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

function counts({ up, down }: Tally): string {
  return `sent ${showCount(up.sent + down.sent)}, ` +
    `received ${showCount(up.received + down.received)}`;
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

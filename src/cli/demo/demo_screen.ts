/**
 * What the demo shows: a line for each thing that happens, and on a terminal
 * one line below that counts.
 *
 * @module
 */

import type { Cut } from "./demo_server.ts";
import type { Sink } from "../output/output.ts";
import { showDuration, wrap } from "../format.ts";
import type { Style } from "../style.ts";

/** One direction. */
export interface Direction {
  readonly sent: number;
  /** Different messages. */
  readonly received: number;
  /** How many came once more. */
  readonly repeated: number;
}

/** Both directions, and what the link went through. */
export interface Tally {
  readonly up: Direction;
  readonly down: Direction;
  readonly reconnects: number;
  /** Without a link, in milliseconds. */
  readonly downtime: number;
}

/** What one side said and the other does not have. */
export function lostOf({ up, down }: Tally): number {
  return up.sent - up.received + down.sent - down.received;
}

/** 1 if anything was lost, or if the link was cut and did not come back. */
export function verdictOn(tally: Tally, cuts: number): 0 | 1 {
  return lostOf(tally) === 0 && tally.reconnects >= cuts ? 0 : 1;
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
  "Now numbered messages flow both ways while the link is cut again and " +
  "again. The server acknowledges each one, and the client repeats those that " +
  "were not; back again, it asks for the numbers it has missed. Each side " +
  "counts what it has got, a number that came twice only once.";

const CUT_TEXTS: Readonly<Record<Cut, string>> = {
  "drop": "the link is dropped without a word",
  "reset": "the link is reset",
  "refuse": "the server goes away, and refuses whoever comes back too soon",
  "close": 'the server closes: 1011 "server restart"',
  "half-open": "the link goes dead: no word, no end, only silence",
};

const ERASE_LINE = "\r\x1b[K";

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
    const { width, style } = this.#options;
    this.line("");
    for (const line of wrap(EXPLANATION, Math.min(width, 80))) {
      this.line(style.dim(line));
    }
    this.line("");
    this.#start = performance.now();
  }

  /** The first connection. */
  connected(): void {
    this.#event(this.#options.style.green("connected"));
  }

  /** A cut. */
  cut(how: Cut): void {
    this.#event(this.#options.style.yellow(CUT_TEXTS[how]));
  }

  /** The client has found a dead link by itself. */
  noticed(why: string): void {
    this.#event(this.#options.style.yellow(`the client notices: ${why}`));
  }

  /** An attempt that the server refused. */
  refused(answer: string): void {
    this.#event(this.#options.style.yellow(`refused: ${answer}`));
  }

  /** The link is back. */
  back(after: number): void {
    this.#event(
      this.#options.style.green(`connected again after ${showDuration(after)}`),
    );
  }

  /** How it stands, on a terminal. */
  status(tally: Tally): void {
    const { live, style } = this.#options;
    if (!live) return;
    const { up, down } = tally;
    this.#status = style.dim(
      `        up ${up.sent} sent, ${up.received} received; ` +
        `down ${down.sent} sent, ${down.received} received`,
    );
    this.#put(`${ERASE_LINE}${this.#status}`);
  }

  /** How it went. */
  summary(tally: Tally): void {
    const { style } = this.#options;
    const { up, down, reconnects, downtime } = tally;
    const lost = lostOf(tally);
    this.finish();
    this.line("");
    this.line(this.#row("client to server", up));
    this.line(this.#row("server to client", down));
    this.line("");
    const paint = lost === 0 ? style.green : style.red;
    this.line(
      paint(style.bold(
        `sent ${up.sent + down.sent}, received ${
          up.received + down.received
        }, ` +
          `reconnects ${reconnects}, lost ${lost}`,
      )) + style.dim(` (${showDuration(downtime)} without a link)`),
    );
  }

  /** Takes the counting line away. */
  finish(): void {
    this.#status = "";
    if (this.#options.live) this.#put(ERASE_LINE);
  }

  #row(title: string, { sent, received, repeated }: Direction): string {
    const twice = repeated > 0 ? `, ${repeated} of them twice` : "";
    return `  ${title}   sent ${sent}, received ${received}${twice}`;
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

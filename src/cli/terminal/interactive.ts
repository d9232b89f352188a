/**
 * `connect` where stdin and stdout are terminals: typed lines are sent,
 * messages are printed above the prompt, and commands begin with a slash.
 *
 * @module
 */

import type { Message, Session, WSConfig } from "../../../mod.ts";
import { proxyHint } from "../args/client_config.ts";
import { textOf } from "../args/flag_files.ts";
import type { Flags } from "../args/flags.ts";
import { connectConfig, filtered } from "../connect/messages.ts";
import type { ExitStatus } from "../exit_status.ts";
import {
  displayUrl,
  isDumbTerminal,
  showDuration,
  type Style,
  styleOf,
  terminalWidth,
  wantsColor,
  wrap,
} from "../format.ts";
import { type Stderr, stderrNotices } from "../notices.ts";
import { displayMessage } from "../output/display.ts";
import { isoTime } from "../output/printer.ts";
import {
  connectSteps,
  type Decode,
  decoderOf,
  InputFormatError,
} from "../run/input.ts";
import {
  Output,
  streamOutput,
  streamSink,
  TERMINAL_LIMIT,
} from "../output/output.ts";
import type { Sink } from "../stdio.ts";
import { ClientRun, limitsOf } from "../run/client_run.ts";
import { sentences } from "../run/connection_events.ts";
import { traceMessage, traceRequest } from "../run/trace.ts";
import { hasProtocolPings, nextPong, pingSoon } from "../run/protocol_ping.ts";
import { printSummary, statsLine } from "../run/run_result.ts";
import { openEditor } from "./history.ts";
import {
  PlainTerminal,
  RawMode,
  suspendOr,
  Terminal,
  type TerminalEvent,
} from "./terminal.ts";

/**
 * Runs until something ends it.
 * @throws {UsageError} a history file that cannot be used
 * @throws {MissingPermissionError} before anything starts
 */
export async function runInteractive(
  flags: Flags,
  urls: readonly string[],
): Promise<ExitStatus> {
  const style = styleOf(wantsColor(flags.color, true));
  const sink = streamSink({ kind: "stdout" }, () => run);
  const terminal = openTerminal(sink, flags, style);
  const output = new Output(terminal, "\n", () => {}, TERMINAL_LIMIT);
  const print = (line: string) => {
    output.flush();
    terminal.print(line);
  };
  const notices = interactiveNotices(flags, print);
  const config = await connectConfig(flags, urls);
  const { pingInterval = 0 } = config;
  let session: Session | undefined;
  const pingFrame = hasProtocolPings(config)
    ? () => session && void pingSoon(session, pingInterval)
    : undefined;
  const steps = connectSteps(flags);
  const run: ClientRun = new ClientRun({
    config: withPongs(config, () => commands.onPong()),
    events: sentences(notices, proxyHint(flags, urls)),
    deliver: filtered(
      flags,
      (data) => output.text(received(data, flags, style)),
      notices,
    ),
    steps: async (opened, deliver) => {
      session = opened;
      await steps?.(opened, deliver);
    },
    ...limitsOf(flags),
    onStats: (stats, state) => notices.report(statsLine(stats, state)),
    output: streamOutput(sink, output),
    restore: () => {
      // A slow terminal need not show the rest.
      sink.discard();
      raw?.[Symbol.dispose]();
    },
    begin: (run) => {
      const onEvent = (event: TerminalEvent) => {
        if (!run.isOver || event.kind === "interrupt") commands.onEvent(event);
      };
      sink.readStdin((bytes) => terminal.onBytes(bytes, onEvent));
    },
  });
  const commands: Commands = new Commands(run, {
    notices,
    decode: decoderOf(flags.binary),
    ping: pingFrame ?? pingOf(flags),
    hasEditor: terminal instanceof Terminal,
    suspend: () => raw?.suspend(),
  });
  using raw = terminal instanceof Terminal
    ? new RawMode(terminal, { settle: () => sink.settle() })
    : undefined;
  notices.detail(
    `connecting to ${urls.map(displayUrl).join(", ")}; /help, Ctrl-D to leave`,
  );
  traceRequest(flags, urls, notices);
  const result = await run.run();
  printSummary(result, stderrNotices(flags), flags.spool);
  return result.status;
}

function openTerminal(
  sink: Sink,
  flags: Flags,
  style: Style,
): Terminal | PlainTerminal {
  if (isDumbTerminal()) return new PlainTerminal(sink);
  return new Terminal({
    sink,
    prompt: { text: style.bold("> "), width: 2 },
    columns: terminalWidth,
    editor: openEditor(flags.history),
  });
}

/** The notices of `-v`, unless `-q` is given. */
function interactiveNotices(
  flags: Flags,
  print: (line: string) => void,
): Stderr {
  const toTerminal = Deno.stderr.isTerminal();
  return stderrNotices(
    { ...flags, verbose: flags.quiet ? 0 : Math.max(1, flags.verbose) },
    toTerminal ? { print, prefix: "•" } : {},
  );
}

/** A message behind a mark, with its further lines indented. */
function received(data: Message, flags: Flags, style: Style): string {
  const { binary, raw } = flags;
  const time = flags.timestamps ? `${isoTime()} ` : "";
  const width = terminalWidth() - 2 - time.length;
  const text = displayMessage(data, { style, width, binary, raw });
  return `${style.bold("<")} ${style.dim(time)}${
    text.replaceAll("\n", "\n  ")
  }`;
}

/** Pongs are not delivered, and `/ping` waits for them. */
function withPongs(config: WSConfig, onPong: () => void): WSConfig {
  const { isPong } = config.ping ?? {};
  if (isPong === undefined) return config;
  return {
    ...config,
    ping: {
      ...config.ping,
      isPong: (data) => {
        const answered = isPong(data);
        if (answered) onPong();
        return answered;
      },
    },
  };
}

/** The message of `/ping`; undefined if no answer could be recognized. */
function pingOf({ ping, pong }: Flags): Message | undefined {
  if (ping === undefined || pong === undefined) return undefined;
  return textOf("--ping", ping);
}

/** The parts that commands need. */
export interface CommandParts {
  readonly notices: Stderr;
  readonly decode: Decode;
  /**
   * The message of `/ping`, or a function that sends a protocol ping; undefined
   * if no answer could be recognized.
   */
  readonly ping: Message | (() => void) | undefined;
  /** Whether lines are edited here, not by the terminal. */
  readonly hasEditor: boolean;
  /** Stops the program until the shell continues it. */
  readonly suspend: () => void;
}

const HELP = [
  "/ping           the time to the server and back",
  "/stats          the numbers of this run",
  "/reconnect      drop the connection and dial again",
  "/close [CODE [REASON]]",
  "                close and leave; so does Ctrl-D",
  "//TEXT          send /TEXT",
];

/** Only where keys are read one by one. */
const KEYS_HELP =
  "Alt-Enter or a paste puts several lines into one message; Ctrl-R searches.";

/** Runs a typed line. */
export class Commands {
  readonly #run: ClientRun;
  readonly #parts: CommandParts;
  readonly #encoder = new TextEncoder();
  #pingedAt: number | undefined;

  constructor(run: ClientRun, parts: CommandParts) {
    this.#run = run;
    this.#parts = parts;
  }

  /** The server has answered a ping, perhaps that of `/ping`. */
  onPong(): void {
    if (this.#pingedAt === undefined) return;
    const time = performance.now() - this.#pingedAt;
    this.#pingedAt = undefined;
    this.#tell(`answered after ${showDuration(time)}`);
  }

  /** Handles the effect of a key. */
  onEvent(event: TerminalEvent): void {
    switch (event.kind) {
      case "line":
        return this.#onLine(event.text);
      case "end":
        return this.#run.end({ kind: "done" });
      case "interrupt":
        return this.#run.raise("SIGINT");
      case "suspend":
        return suspendOr(
          (text) => this.#complain(text),
          this.#parts.suspend,
        );
      default:
        return event satisfies never;
    }
  }

  #onLine(line: string): void {
    if (line.startsWith("//")) return this.#send(line.slice(1));
    if (!line.startsWith("/")) return this.#send(line);
    const [, command, first, rest] =
      /^(\S+)(?: +(\S+))?(?: +(.*))?$/s.exec(line.trimEnd()) ?? [];
    switch (command) {
      case "/ping":
        return this.#ping();
      case "/stats":
        return this.#tell(
          statsLine(this.#run.stats, this.#run.state),
        );
      case "/reconnect":
        return this.#run.client.reconnect();
      case "/close":
      case "/quit":
        return this.#close(first, rest);
      case "/help":
        return this.#help();
      default:
        return this.#complain(
          `there is no ${command}; /help lists all, //TEXT sends /TEXT`,
        );
    }
  }

  #help(): void {
    const { notices, hasEditor } = this.#parts;
    const lines = hasEditor ? [...HELP, KEYS_HELP] : HELP;
    for (const line of lines) notices.line(`  ${line}`);
  }

  #send(text: string): void {
    try {
      this.#offer(this.#parts.decode(this.#encoder.encode(text)));
    } catch (error) {
      if (!(error instanceof InputFormatError)) throw error;
      this.#complain(error.message);
    }
  }

  /** Reports a full queue at once; a program would wait for room. */
  #offer(message: Message): boolean {
    const accepted = this.#run.client.trySend(message);
    if (accepted) traceMessage(">", message, this.#parts.notices);
    else this.#complain("not sent: the queue is full");
    return accepted;
  }

  #ping(): void {
    const { ping } = this.#parts;
    if (ping === undefined) {
      return this.#complain(
        "/ping needs --transport tcp, or --ping MSG and --pong REGEX to tell " +
          "the answer from other messages",
      );
    }
    if (this.#run.client.state !== "open") {
      return this.#complain("not connected");
    }
    const now = performance.now();
    if (typeof ping === "function") {
      ping();
      this.#followPong();
    } else if (this.#offer(ping)) this.#pingedAt = now;
  }

  /** Waits for the next pong frame; the heartbeat sends a ping in any case. */
  async #followPong(): Promise<void> {
    const rtt = await nextPong(this.#run.client, this.#run.over);
    if (rtt !== undefined) this.#tell(`answered after ${showDuration(rtt)}`);
  }

  #close(digits: string | undefined, reason: string = ""): void {
    const code = digits === undefined ? 1000 : Number(digits);
    // RFC 6455, section 7.4.2: the codes that an application may send.
    const isOwn = Number.isInteger(code) && code >= 3000 && code <= 4999;
    if (code !== 1000 && !isOwn) {
      return this.#complain("a close code is 1000 or 3000 to 4999");
    }
    if (this.#encoder.encode(reason).length > 123) {
      return this.#complain("a reason has at most 123 bytes");
    }
    this.#run.end({ kind: "done", close: { code, reason } });
  }

  /** Prints the answer to a command, even with `-q`. */
  #tell(text: string): void {
    const { notices } = this.#parts;
    for (const part of wrap(text, terminalWidth() - 2)) {
      notices.line(`  ${notices.style.dim(part)}`);
    }
  }

  #complain(text: string): void {
    this.#parts.notices.complaint(text);
  }
}

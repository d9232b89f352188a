/**
 * `connect` where stdin and stdout are terminals: a conversation.
 *
 * @module
 */

import type { Message, WSConfig } from "../../../mod.ts";
import { clientConfig, textOf } from "../args/client_config.ts";
import type { Flags } from "../args/flags.ts";
import type { ExitStatus } from "../exit_status.ts";
import { displayUrl } from "../format.ts";
import { type Stderr, stderrNotices } from "../notices.ts";
import { displayMessage } from "../output/display.ts";
import { decoderOf } from "../output/message_codec.ts";
import { blockingSink, Output } from "../output/output.ts";
import { ClientRun, limitsOf } from "../run/client_run.ts";
import { connectSteps } from "../run/connect_steps.ts";
import { sentences } from "../run/connection_events.ts";
import { printSummary, statsLine } from "../run/summary.ts";
import { type Style, styleOf, terminalWidth, wantsColor } from "../style.ts";
import { Conversation } from "./conversation.ts";
import { RawMode } from "./raw_mode.ts";
import { Terminal } from "./terminal.ts";

/** Runs until something ends it. */
export async function runInteractive(
  flags: Flags,
  urls: readonly string[],
): Promise<ExitStatus> {
  const style = styleOf(wantsColor(flags.color, true));
  const terminal = new Terminal({
    sink: blockingSink(Deno.stdout),
    prompt: { text: style.bold("> "), width: 2 },
    columns: terminalWidth,
  });
  // Fails only when the terminal has gone.
  const output = new Output(terminal, "\n", () => run.end({ kind: "done" }));
  const print = (line: string) => {
    output.flush();
    terminal.print(line);
  };
  const notices = conversationNotices(flags, print);
  const run: ClientRun = new ClientRun({
    config: tellingPongs(clientConfig(flags, urls), () => talker.answered()),
    events: sentences(notices),
    deliver: (data) => {
      output.text(received(data, flags, style));
      talker.answered();
    },
    greet: connectSteps(flags),
    ...limitsOf(flags),
    onStats: (stats, state) => print(style.dim(statsLine(stats, state))),
    restore: () => raw[Symbol.dispose](),
    begin: (run) => readKeys(run, terminal, talker),
  });
  const talker: Conversation = new Conversation(run, {
    print,
    style,
    decode: decoderOf(flags.binary),
    pingMessage: pingMessages(flags),
  });
  using raw = new RawMode(terminal);
  notices.detail(
    `connecting to ${urls.map(displayUrl).join(", ")}; /help, Ctrl-D to leave`,
  );
  terminal.show();
  const result = await run.run();
  output.flush();
  raw[Symbol.dispose]();
  printSummary(result, stderrNotices(flags));
  return result.status;
}

/** Everything is of interest here, unless `-q` says otherwise. */
function conversationNotices(
  flags: Flags,
  print: (line: string) => void,
): Stderr {
  const toTerminal = Deno.stderr.isTerminal();
  return stderrNotices(
    { ...flags, verbose: !flags.quiet },
    toTerminal ? { print, prefix: "•" } : {},
  );
}

/** A message with a mark of its own, its further lines set in. */
function received(data: Message, flags: Flags, style: Style): string {
  const options = { style, width: terminalWidth() - 2, binary: flags.binary };
  const text = displayMessage(data, options).replaceAll("\n", "\n  ");
  return `${style.cyan("<")} ${text}`;
}

/** Pongs are not delivered, and `/ping` waits for them. */
function tellingPongs(config: WSConfig, tell: () => void): WSConfig {
  const { isPong } = config.ping ?? {};
  if (isPong === undefined) return config;
  return {
    ...config,
    ping: {
      ...config.ping,
      isPong: (data) => {
        const answered = isPong(data);
        if (answered) tell();
        return answered;
      },
    },
  };
}

/** What `/ping` sends: `--ping`, or a number that an echo server returns. */
function pingMessages({ ping }: Flags): () => Message {
  let count = 0;
  const message = ping === undefined ? undefined : textOf("--ping", ping);
  return () => message ?? String(++count);
}

async function readKeys(
  run: ClientRun,
  terminal: Terminal,
  talker: Conversation,
): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (;;) {
    const length = await Deno.stdin.read(buffer);
    if (length === null) return run.end({ kind: "done" });
    terminal.onBytes(buffer.subarray(0, length), (event) => {
      if (!run.isOver) talker.onEvent(event);
    });
  }
}

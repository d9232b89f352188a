/**
 * `ws-stream [connect] URL...`: stdin's lines become messages, messages become
 * lines; on a terminal, a conversation.
 *
 * @module
 */

import { clientConfig, clientNeeds } from "../client_config.ts";
import { ClientRun } from "../client_run.ts";
import type { Command, Ending, Invocation } from "../command.ts";
import { sayFarewell } from "../farewell.ts";
import { UsageError, webSocketUrl } from "../flag_values.ts";
import type { Flags } from "../flags.ts";
import { greetingOf } from "../greeting.ts";
import { both, jsonLines, sentences } from "../link_events.ts";
import { decoderOf } from "../message_codec.ts";
import { stderrNotices } from "../notices.ts";
import { openOutput, outputNeeds } from "../open_output.ts";
import { requirePermissions } from "../permissions.ts";
import { inputDelimiter, outputDelimiter, printerOf } from "../printer.ts";
import { sendInput } from "../send_input.ts";
import { statsLine } from "../summary.ts";
import { terminalWidth } from "../terminal_width.ts";

/** The command. */
export const connect: Command = {
  name: "connect",
  usage: "[connect] URL...",
  summary: "Sends lines of stdin, prints messages",
  examples: [
    [
      "ws-stream wss://example.com/feed | jq .price",
      "Messages into a pipe; reconnects by itself.",
    ],
    [
      `echo '{"op":"time"}' | ws-stream wss://example.com/api`,
      "A request and its answers: ends when none has come for a second.",
    ],
    [
      `ws-stream wss://example.com --bearer-file token --on-open '{"op":"sub"}'`,
      "Authenticates and subscribes, after each reconnect again.",
    ],
    [
      "ws-stream wss://a.example.com wss://b.example.com --json -n 100",
      "Failover; a hundred messages as JSON events, then 0.",
    ],
    [
      "ws-stream wss://example.com -o 'feeds/{date}/{hour}.ndjson'",
      "One complete file an hour.",
    ],
  ],
  run,
};

/** The longest message that stdin may hold: what the client's queue takes. */
const MAX_INPUT = 16 * 1024 * 1024;

async function run({ flags, operands }: Invocation): Promise<Ending> {
  const urls = operands.map(webSocketUrl);
  const [first] = urls;
  if (first === undefined) throw new UsageError("which URL? -h says more");
  if (flags.null && flags.delimiter !== undefined) {
    throw new UsageError("--null and --delimiter exclude one another");
  }
  requirePermissions([...clientNeeds(flags, urls), ...outputNeeds(flags)]);
  return await pipe(flags, urls, new URL(first).hostname);
}

async function pipe(
  flags: Flags,
  urls: readonly string[],
  host: string,
): Promise<Ending> {
  const notices = stderrNotices(
    // The events are on stdout already.
    flags.json ? { ...flags, quiet: !flags.verbose } : flags,
  );
  using opened = openOutput(flags, {
    delimiter: outputDelimiter(flags),
    host,
    onBrokenPipe: () => clientRun.end({ kind: "done" }),
    onError: (error) => clientRun.end({ kind: "failed", error, code: 1 }),
  });
  const { output } = opened;
  const tell = sentences(notices);
  const toTerminal = flags.output === undefined && Deno.stdout.isTerminal();
  const clientRun = new ClientRun({
    config: clientConfig(flags, urls),
    events: flags.json
      ? both(jsonLines((line) => output.text(line)), tell)
      : tell,
    deliver: printerOf(
      flags,
      output,
      toTerminal
        ? {
          style: notices.style,
          width: terminalWidth(),
          binary: flags.binary,
        }
        : undefined,
    ),
    greet: greetingOf(flags),
    count: flags.count,
    timeout: flags.timeout,
    failOnGap: flags["fail-on-gap"],
    statsEvery: flags.stats,
    onStats: (stats, state) => notices.line(statsLine(stats, state)),
    begin: (run) =>
      sendInput(run, {
        source: Deno.stdin,
        delimiter: new TextEncoder().encode(inputDelimiter(flags)),
        maxBytes: MAX_INPUT,
        decode: decoderOf(flags.binary),
        linger: flags.linger,
      }),
  });
  const result = await clientRun.run();
  sayFarewell(result, notices);
  return result.ending;
}

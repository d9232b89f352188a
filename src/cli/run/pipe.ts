/**
 * `connect` in a pipe: stdin's messages are sent, messages go to stdout or to
 * files, and all that is said goes to stderr.
 *
 * @module
 */

import { clientConfig } from "../flags/client_config.ts";
import { ClientRun } from "./client_run.ts";
import type { Ending } from "../command.ts";
import { sayFarewell } from "./farewell.ts";
import type { Flags } from "../flags/table.ts";
import { greetingOf } from "./greeting.ts";
import { limitsOf } from "./limits.ts";
import { both, jsonLines, sentences } from "./link_events.ts";
import { decoderOf } from "../output/message_codec.ts";
import type { DisplayOptions } from "../output/message_display.ts";
import { stderrNotices } from "../notices.ts";
import { openOutput } from "../output/open_output.ts";
import {
  inputDelimiter,
  outputDelimiter,
  printerOf,
} from "../output/printer.ts";
import { sendInput } from "./send_input.ts";
import { styleOf, wantsColor } from "../style.ts";
import { statsLine } from "./summary.ts";
import { terminalWidth } from "../terminal/width.ts";

/** The longest message that stdin may hold: what the client's queue takes. */
const MAX_INPUT = 16 * 1024 * 1024;

/** Runs until something ends it. */
export async function pipe(
  flags: Flags,
  urls: readonly string[],
  host: string,
): Promise<Ending> {
  // With --json the events are on stdout already.
  const quiet = flags.quiet || flags.json && !flags.verbose;
  const notices = stderrNotices({ ...flags, quiet });
  using opened = openOutput(flags, {
    delimiter: outputDelimiter(flags),
    host,
    onBrokenPipe: () => run.end({ kind: "done" }),
    onError: (error) => run.outputFailed(error),
    onFile: (path) => notices.detail(`complete: ${path}`),
  });
  const { output } = opened;
  const tell = sentences(notices);
  const run: ClientRun = new ClientRun({
    config: clientConfig(flags, urls),
    events: flags.json
      ? both(jsonLines((line) => output.text(line)), tell)
      : tell,
    deliver: printerOf(flags, output, displayOf(flags)),
    greet: greetingOf(flags),
    finish: () => opened[Symbol.dispose](),
    ...limitsOf(flags),
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
  const result = await run.run();
  sayFarewell(result, notices);
  return result.ending;
}

/** How to show messages, if stdout is a terminal. */
function displayOf(flags: Flags): DisplayOptions | undefined {
  if (flags.output !== undefined || !Deno.stdout.isTerminal()) return undefined;
  return {
    style: styleOf(wantsColor(flags.color, true)),
    width: terminalWidth(),
    binary: flags.binary,
  };
}

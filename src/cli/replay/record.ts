/**
 * `ws-stream record URL -o FILE`: messages, and when each arrived.
 *
 * A recording has the events of `--json`, one a line, where each message also
 * has `t`, the milliseconds since the recording began, to the microsecond. What
 * `--json` printed can be replayed too, to the millisecond of its `ts`.
 *
 * @module
 */

import type { Message } from "../../../mod.ts";
import { clientConfig, clientNeeds, proxyHint } from "../args/client_config.ts";
import { ClientRun, limitsOf } from "../run/client_run.ts";
import type { Invocation } from "../args/flags.ts";
import type { ExitStatus } from "../exit_status.ts";
import { printSummary, statsLine } from "../run/run_result.ts";
import { onlyUrl } from "../args/values.ts";
import { connectSteps } from "../run/input.ts";
import { type Reader, readMessages } from "../run/read_messages.ts";
import { toMicros } from "../format.ts";
import { eventLine, messageEvent } from "../output/json_events.ts";
import { both, jsonLines, sentences } from "../run/connection_events.ts";
import { traceRequest } from "../run/trace.ts";
import { stderrNotices } from "../notices.ts";
import { openOutput, outputNeeds } from "../output/output.ts";
import { requirePermissions } from "../permissions.ts";

/** Runs the command. */
export async function run(
  { flags, operands }: Invocation,
): Promise<ExitStatus> {
  const url = onlyUrl("record", operands);
  requirePermissions([...clientNeeds(flags, [url]), ...outputNeeds(flags)]);
  const notices = stderrNotices(flags);
  const opened = openOutput(flags, {
    delimiter: "\n",
    host: new URL(url).hostname,
    owner: () => run,
    onFile: (path) => notices.good(`recorded ${path}`),
  });
  const { output } = opened;
  const start = performance.now();
  const run: ClientRun = new ClientRun({
    config: clientConfig(flags, [url]),
    events: both(
      jsonLines((line) => output.text(line)),
      sentences(notices, proxyHint(flags, [url])),
    ),
    deliver: (data, source) => {
      const t = performance.now() - start;
      output.text(recordLine(data, source.url, Date.now(), t));
    },
    steps: connectSteps(flags),
    output: opened,
    ...limitsOf(flags),
    onStats: (stats, state) => notices.report(statsLine(stats, state)),
  });
  traceRequest(flags, [url], notices);
  const result = await run.run();
  printSummary(result, notices);
  return result.status;
}

/** A message and when it came, in milliseconds. */
export interface Entry {
  readonly at: number;
  readonly data: Message;
}

/** The file is no recording. */
export class RecordingError extends Error {
  override readonly name = "RecordingError";

  constructor(path: string, line: number, why: string) {
    super(`${path} cannot be replayed: line ${line} ${why}`);
  }
}

/**
 * The line of a message.
 *
 * @param url of the connection, without secrets
 * @param ts the time of the message, milliseconds since the epoch
 * @param t the same, since the recording began
 */
export function recordLine(
  data: Message,
  url: string,
  ts: number,
  t: number,
): string {
  return eventLine({ ...messageEvent(data), t: toMicros(t) }, url, ts);
}

/** The longest line: a message of the client's largest size, escaped. */
const MAX_LINE = 256 * 1024 * 1024;

/**
 * The messages of a recording, in order.
 * @throws {RecordingError} a line that is no event
 */
export async function* readRecording(
  source: Reader,
  path: string,
): AsyncGenerator<Entry> {
  const utf8 = new TextDecoder();
  const delimiter = new TextEncoder().encode("\n");
  let number = 0;
  for await (
    const lines of readMessages(source, { delimiter, maxBytes: MAX_LINE })
  ) {
    for (const line of lines) {
      number++;
      const entry = parseLine(utf8.decode(line), path, number);
      if (entry !== undefined) yield entry;
    }
  }
}

/** The entry of a line; undefined for events that are no message. */
function parseLine(
  line: string,
  path: string,
  number: number,
): Entry | undefined {
  if (line.trim() === "") return undefined;
  const event = parseObject(line);
  if (event === undefined || event["v"] !== 1) {
    throw new RecordingError(path, number, "is no event of version 1");
  }
  if (event["type"] !== "message") return undefined;
  const at = event["t"] ?? event["ts"];
  const data = event["data"];
  if (typeof at !== "number" || typeof data !== "string") {
    throw new RecordingError(path, number, "has no time or no data");
  }
  if (event["encoding"] === undefined) return { at, data };
  try {
    return { at, data: Uint8Array.fromBase64(data) };
  } catch {
    throw new RecordingError(path, number, "is not base64");
  }
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value))
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * `ws-stream [connect] URL...`: stdin's lines become messages, messages become
 * lines; on a terminal, a conversation.
 *
 * @module
 */

import { clientNeeds } from "../flags/client_config.ts";
import type { Command, Ending, Invocation } from "../command.ts";
import { UsageError, webSocketUrl } from "../flags/values.ts";
import { outputNeeds } from "../output/open_output.ts";
import { requirePermissions } from "../permissions.ts";
import { pipe } from "../run/pipe.ts";
import { talk } from "../terminal/talk.ts";

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
      `ws-stream wss://h.example --bearer-file token --on-open '{"op":"sub"}'`,
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

async function run({ flags, operands }: Invocation): Promise<Ending> {
  const urls = operands.map(webSocketUrl);
  const [first] = urls;
  if (first === undefined) throw new UsageError("which URL? -h says more");
  if (flags.null && flags.delimiter !== undefined) {
    throw new UsageError("--null and --delimiter exclude one another");
  }
  requirePermissions([...clientNeeds(flags, urls), ...outputNeeds(flags)]);
  const toPerson = !flags.json && flags.output === undefined &&
    Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  return toPerson
    ? await talk(flags, urls)
    : await pipe(flags, urls, new URL(first).hostname);
}

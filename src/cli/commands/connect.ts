/**
 * `ws-stream [connect] URL...`: stdin's lines become messages, messages become
 * lines; on a terminal, a conversation.
 *
 * @module
 */

import { clientNeeds } from "../flags/client_config.ts";
import type { Ending, Invocation } from "../command.ts";
import { UsageError, webSocketUrl } from "../flags/values.ts";
import { outputNeeds } from "../output/open_output.ts";
import { requirePermissions } from "../permissions.ts";
import { pipe } from "../run/pipe.ts";

/** Does it. */
export async function run({ flags, operands }: Invocation): Promise<Ending> {
  const urls = operands.map(webSocketUrl);
  const [first] = urls;
  if (first === undefined) throw new UsageError("which URL? -h says more");
  if (flags.null && flags.delimiter !== undefined) {
    throw new UsageError("--null and --delimiter exclude one another");
  }
  requirePermissions([...clientNeeds(flags, urls), ...outputNeeds(flags)]);
  const toPerson = !flags.json && flags.output === undefined &&
    Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  if (!toPerson) return await pipe(flags, urls, new URL(first).hostname);
  const { talk } = await import("../terminal/talk.ts");
  return await talk(flags, urls);
}

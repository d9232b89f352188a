/**
 * The short way to a started client.
 *
 * @module
 */

import type { WSCallbacks } from "./callbacks.ts";
import { WebSocketStreamClient } from "./client.ts";
import type { WSConfig } from "./config.ts";
import { handled } from "./handled.ts";

/**
 * Makes a client and starts it: for `await using`, which stops it at the end of
 * the scope.
 * @throws {WSError} a fatal error, or `STOPPED`
 * @throws {TypeError} a value of the wrong kind, an unknown key
 * @throws {RangeError} a number outside its limits
 *
 * @example
 * ```ts
 * import { connect } from "@ws-stream/client";
 *
 * async function main() {
 *   await using feed = await connect("wss://example.com/feed");
 *   for await (const message of feed) console.log(message);
 * }
 * ```
 */
export function connect(
  url: WSConfig["url"],
  config: Omit<WSConfig, "url"> = {},
  callbacks: WSCallbacks = {},
): Promise<WebSocketStreamClient> {
  return handled(started({ ...config, url }, callbacks));
}

async function started(
  config: WSConfig,
  callbacks: WSCallbacks,
): Promise<WebSocketStreamClient> {
  const client = new WebSocketStreamClient(config, callbacks);
  await client.start();
  return client;
}

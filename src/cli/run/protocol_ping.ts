/**
 * Protocol pings (RFC 6455, section 5.5.2) through the client, which sends them
 * at an interval and reports the latest round-trip time.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Session, WebSocketStreamClient, WSConfig } from "../../../mod.ts";

/** How often to check for a new pong, in milliseconds. */
export const CHECK_EVERY = 5;

/** After how long a ping that is asked for goes out, in milliseconds. */
const SOON = 20;

/** Whether a client with this configuration sends protocol pings. */
export function hasProtocolPings({ transport, ping }: WSConfig): boolean {
  return transport === "tcp" && ping === undefined;
}

/**
 * Sends one ping soon, and then pings at the interval again.
 *
 * @param interval 0 sends no more pings
 * @param soon after how long the one ping goes out, in milliseconds
 */
export async function pingSoon(
  session: Pick<Session, "setHeartbeat">,
  interval: number,
  soon: number = SOON,
): Promise<void> {
  const { promise: pinged, resolve } = Promise.withResolvers<void>();
  for (;;) {
    const start = performance.now();
    session.setHeartbeat({ pingInterval: soon });
    // Timers are called in their order, however late: this one after the ping
    // and long before a second one, if both were set at about the same time.
    const timer = setTimeout(resolve, soon + 1);
    if (performance.now() - start < soon / 2) break;
    // The processor was taken away in between.
    clearTimeout(timer);
  }
  await pinged;
  session.setHeartbeat({ pingInterval: interval });
}

/**
 * Watches for pongs: each call of the result gives the latest round-trip time,
 * if a pong has come since the call before.
 */
export function watchPongs(
  client: WebSocketStreamClient,
): () => number | undefined {
  let latest = client.stats.rtt?.last;
  return () => {
    const rtt = client.stats.rtt?.last;
    const isNew = rtt !== latest;
    latest = rtt;
    return isNew ? rtt : undefined;
  };
}

/** The round-trip time of the next pong; undefined if the signal aborts. */
export async function nextPong(
  client: WebSocketStreamClient,
  signal: AbortSignal,
): Promise<number | undefined> {
  const newPong = watchPongs(client);
  while (!signal.aborted) {
    await delay(CHECK_EVERY);
    const rtt = newPong();
    if (rtt !== undefined) return rtt;
  }
  return undefined;
}

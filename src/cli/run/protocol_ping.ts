/**
 * Protocol pings (RFC 6455, section 5.5.2) through the client, which sends them
 * at an interval and reports the latest round-trip time.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Session, WebSocketStreamClient, WSConfig } from "../../../mod.ts";

/** How often the time of the latest pong is looked at, at least, in milliseconds. */
const LOOK = 5;

/** After how long a ping that is asked for goes out, in milliseconds. */
const SOON = 20;

/** Whether a client with this configuration sends protocol pings. */
export function hasProtocolPings({ transport, ping }: WSConfig): boolean {
  return transport === "tcp" && ping === undefined;
}

/** Sends one ping soon, whatever the interval, and then keeps to that again. */
export async function pingSoon(
  session: Session,
  interval: number,
): Promise<void> {
  session.setHeartbeat({ pingInterval: SOON });
  // Long enough for one ping, too short for two.
  await delay(1.9 * SOON);
  session.setHeartbeat({ pingInterval: interval });
}

/**
 * The round-trip times of pongs, as they arrive, until the signal aborts.
 * @param interval from one ping to the next: with several looks at each pong
 * none is missed
 */
export async function* roundTrips(
  client: WebSocketStreamClient,
  signal: AbortSignal,
  interval: number = Infinity,
): AsyncGenerator<number | undefined> {
  let latest = client.stats.rtt?.last;
  while (!signal.aborted) {
    await delay(Math.min(LOOK, interval / 4));
    const rtt = client.stats.rtt?.last;
    yield rtt === latest ? undefined : rtt;
    latest = rtt;
  }
}

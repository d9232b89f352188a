#!/usr/bin/env -S deno run --allow-net=feed.example.com
/**
 * A market feed on a slow screen.
 *
 * - It subscribes on each connection, so also after every reconnect, before
 *   anything else is sent.
 * - Quotes come faster than the screen can show them. Conflation keeps the
 *   newest quote of each symbol, so the screen is never behind the market.
 * - A feed that is connected but delivers nothing is as useless as a dead one:
 *   `staleTimeout` replaces the connection.
 * - A gap means that quotes may have been missed; a program that adds up
 *   volumes would ask the exchange for them here.
 *
 *     ./market_feed.ts wss://feed.example.com/v1 BTC-USD ETH-USD
 *
 * @module
 */

import { connect, type Message } from "@ws-stream/client";

interface Quote {
  readonly symbol: string;
  readonly price: number;
}

const [url = "wss://feed.example.com/v1", ...rest] = Deno.args;
const symbols = rest.length > 0 ? rest : ["BTC-USD", "ETH-USD"];

await using feed = await connect(url, {
  staleTimeout: 30_000,
  receiveOverflow: { conflate: (data) => parse(data).symbol },
}, {
  onConnect(session) {
    session.send(JSON.stringify({ op: "subscribe", symbols }));
    console.error(`subscribed at ${session.url}`);
  },
  onRetry({ delay, error }) {
    console.error(`${error.message}; next attempt in ${delay} ms`);
  },
  onGap({ from, to }) {
    console.error(`quotes of ${to - from} ms may be missing`);
  },
});

Deno.addSignalListener("SIGINT", () => feed.stop());

for await (const message of feed) {
  const { symbol, price } = parse(message);
  console.log(`${symbol} ${price.toFixed(2)}`);
  await screenRefresh();
}

function parse(message: Message): Quote {
  return JSON.parse(String(message));
}

function screenRefresh(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

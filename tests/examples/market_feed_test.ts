import { assertEquals, assertLess } from "@std/assert";
import { serve } from "../../src/server/server.ts";
import { Example } from "./example.ts";

Deno.test("the market feed subscribes again after a drop, and shows the newest quotes", async () => {
  const subscriptions: string[] = [];
  const connections = [200, 300];
  await using server = serve({
    async onPeer(peer) {
      subscriptions.push(String(await peer.receive()));
      const first = connections.shift() ?? 0;
      for (let price = first; price < first + 50; price++) {
        await peer.send(JSON.stringify({ symbol: "BTC-USD", price }));
        await peer.send(JSON.stringify({ symbol: "ETH-USD", price }));
      }
      if (connections.length > 0) await peer.drop();
    },
  });
  await using feed = new Example("market_feed.ts", {
    args: [server.url, "BTC-USD", "ETH-USD"],
    net: [`127.0.0.1:${server.port}`],
  });
  await feed.stdout.matching(/^BTC-USD 349\.00$/);
  await feed.stdout.matching(/^ETH-USD 349\.00$/);
  await feed.stderr.matching(/may be missing/);
  assertEquals(await feed.kill("SIGINT"), 0);

  const subscribe = '{"op":"subscribe","symbols":["BTC-USD","ETH-USD"]}';
  assertEquals(subscriptions, [subscribe, subscribe]);
  assertLess(feed.stdout.all.length, 200, "nothing was conflated");
});

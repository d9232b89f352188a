import { assertEquals } from "@std/assert";
import {
  DemoClient,
  DemoServer,
  lostOf,
  tallyOf,
} from "../../../src/cli/demo/demo_traffic.ts";
import { serve } from "../../../src/server/server.ts";
import { within } from "../../support/events.ts";

/** What one fault may cost, in milliseconds: many times what it does. */
const LIMIT = 20_000;

Deno.test("whatever the fault, the client comes back and both sides have everything", async () => {
  await using server = new DemoServer();
  let back = Promise.withResolvers<void>();
  const demo = new DemoClient(server.url, { onGap: () => back.resolve() });
  const { client, receipts } = demo;
  const everythingIsThere = async () => {
    server.produce();
    await client.flush(2_000);
    while (receipts.received < server.produced) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await client.start();
  await within(everythingIsThere(), "everything there", LIMIT);
  for (
    const fault of ["drop", "reset", "close", "refuse", "half-open"] as const
  ) {
    back = Promise.withResolvers();
    demo.send();
    server.break(fault);
    server.produce();
    demo.send();
    await within(back.promise, `the client back after ${fault}`, LIMIT);
    await within(everythingIsThere(), `everything there after ${fault}`, LIMIT);
  }
  await client.stop();
  const { up, down, reconnects } = tallyOf(server, demo);
  assertEquals([up.sent, up.received], [10, 10]);
  assertEquals([down.sent, down.received], [11, 11]);
  assertEquals(reconnects >= 5, true);
});

Deno.test("a number counts once, at either end", async () => {
  const resumed = Promise.withResolvers<number>();
  await using feed = serve({
    onPeer: (peer) => {
      let connections = 0;
      peer.onmessage = async (data) => {
        const message = JSON.parse(String(data));
        if (message.kind !== "resume" || connections++ > 0) return;
        for (const number of [1, 2, 2, 5]) {
          await peer.send(JSON.stringify({ kind: "feed", number }));
        }
        await peer.flush();
        resumed.resolve(message.number);
      };
    },
  });
  const demo = new DemoClient(feed.url);
  await demo.client.start();
  assertEquals(await resumed.promise, 0);
  await demo.client.stop();
  assertEquals([demo.receipts.received, demo.receipts.repeated], [3, 1]);
});

Deno.test("lost is what one side sent and the other does not have, both ways", () => {
  const rest = { reconnects: 0, downtime: 0 };
  const up = { sent: 10, received: 9, repeated: 3 };
  const down = { sent: 5, received: 3, repeated: 0 };
  assertEquals(lostOf({ up, down, ...rest }), 3);
  const whole = { sent: 2, received: 2, repeated: 9 };
  assertEquals(lostOf({ up: whole, down: whole, ...rest }), 0);
});

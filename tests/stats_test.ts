import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import { ConnectionLog } from "../src/stats.ts";

Deno.test("before the first connection there is neither uptime nor downtime", () => {
  const log = new ConnectionLog();
  log.down(5);
  assertEquals(log.connectedSince, undefined);
  assertEquals(log.downtime(1_000), 0);
});

Deno.test("downtime runs from the end of a connection to the next", () => {
  const log = new ConnectionLog();
  log.up(100);
  assertEquals(log.downtime(150), 0);
  log.down(200);
  assertEquals([log.connectedSince, log.downtime(230)], [undefined, 30]);
  log.up(250);
  assertEquals(log.downtime(999), 50);
  log.down(1_000);
  assertEquals(log.downtime(1_007), 57);
});

Deno.test("connectedSince is the time of day of the connection in use", () => {
  using time = new FakeTime(1_000);
  const log = new ConnectionLog();
  log.up(5);
  assertEquals(log.connectedSince, 1_000);
  time.tick(500);
  log.replaced();
  assertEquals([log.connectedSince, log.downtime(505)], [1_500, 0]);
});

Deno.test("a second end of the same connection, counts once", () => {
  const log = new ConnectionLog();
  log.up(0);
  log.down(100);
  log.down(200);
  log.up(300);
  assertEquals(log.downtime(300), 200);
});

Deno.test("a client that has ended has no more downtime", () => {
  const log = new ConnectionLog();
  log.up(0);
  log.down(100);
  log.up(130);
  log.down(200);
  log.end(250);
  assertEquals([log.connectedSince, log.downtime(9_999)], [undefined, 80]);
});

Deno.test("a client that ends before it was open has no downtime", () => {
  const log = new ConnectionLog();
  log.end(100);
  assertEquals(log.downtime(200), 0);
});

Deno.test("downtime never falls as time goes by", () => {
  const what = fc.constantFrom("up" as const, "down" as const);
  const step = fc.record({ at: fc.nat(1_000), what });
  fc.assert(fc.property(fc.array(step), (steps) => {
    const log = new ConnectionLog();
    steps.sort((a, b) => a.at - b.at);
    let before = 0;
    for (const { at, what } of steps) {
      log[what](at);
      assertGreaterOrEqual(log.downtime(at), before);
      before = log.downtime(at);
    }
  }));
});

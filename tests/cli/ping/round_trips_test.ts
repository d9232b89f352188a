import { assertEquals } from "@std/assert";
import { RoundTrips } from "../../../src/cli/ping/round_trips.ts";

Deno.test("an answer belongs to the ping of its number", () => {
  const trips = new RoundTrips(1_000);
  assertEquals([trips.send(0), trips.send(100)], [1, 2]);
  assertEquals(trips.answer(2, 150), { seq: 2, time: 50 });
  assertEquals(trips.answer(1, 200), { seq: 1, time: 200 });
  assertEquals([trips.sent, trips.times], [2, [50, 200]]);
});

Deno.test("without a number it belongs to the oldest one that waits", () => {
  const trips = new RoundTrips(1_000);
  trips.send(0);
  trips.send(100);
  assertEquals(trips.answer(undefined, 110), { seq: 1, time: 110 });
  assertEquals(trips.answer(undefined, 120), { seq: 2, time: 20 });
  assertEquals(trips.answer(undefined, 130), undefined);
});

Deno.test("what waited too long is lost, once; its answer comes too late", () => {
  const trips = new RoundTrips(1_000);
  trips.send(0);
  trips.send(500);
  assertEquals(trips.nextExpiry, 1_000);
  assertEquals(trips.expire(999), []);
  assertEquals(trips.expire(1_000), [1]);
  assertEquals(trips.expire(1_001), []);
  assertEquals(trips.answer(1, 1_100), undefined);
  assertEquals(trips.nextExpiry, 1_500);
  trips.answer(2, 1_200);
  assertEquals(trips.nextExpiry, undefined);
});

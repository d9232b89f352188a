import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import {
  histogram,
  pingReport,
  quantile,
  RoundTrips,
} from "../../../src/cli/ping/round_trips.ts";

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

Deno.test("a round-trip time answers the latest ping from before it, and those before that", () => {
  const trips = new RoundTrips(1_000);
  [0, 100, 200].forEach((now) => trips.send(now));
  // It was sent at 105, and its pong is seen at 180.
  assertEquals(trips.answerAfter(75, 180), [
    { seq: 1, time: 175 },
    { seq: 2, time: 75 },
  ]);
  assertEquals(trips.answerAfter(75, 180), []);
  assertEquals(trips.answerAfter(50, 260), [{ seq: 3, time: 50 }]);
});

Deno.test("a pong of a ping that was lost answers no other one", () => {
  const trips = new RoundTrips(100);
  trips.send(0);
  trips.send(50);
  assertEquals(trips.expire(120), [1]);
  assertEquals(trips.answerAfter(119, 120), []);
  assertEquals(trips.answerAfter(65, 121), [{ seq: 2, time: 65 }]);
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

Deno.test("the report counts, and hides what may be secret in the URL", () => {
  const trips = new RoundTrips(1_000);
  for (const [sent, answered] of [[0, 1], [10, 13]] as const) {
    trips.answer(trips.send(sent), answered);
  }
  trips.send(20);
  const lines = pingReport(trips, "wss://u:p@example.com/x?token=1");
  assertEquals(lines.slice(0, 3), [
    "--- wss://example.com/x?*** ping statistics ---",
    "3 sent, 2 answered, 33.3% lost",
    "rtt min/avg/p50/p99/max = 1.0 ms / 2.0 ms / 1.0 ms / 3.0 ms / 3.0 ms",
  ]);
  assertEquals(lines.length, 3);
});

Deno.test("one answer has its times, but no histogram", () => {
  const trips = new RoundTrips(1_000);
  trips.answer(trips.send(0), 20);
  assertEquals(pingReport(trips, "ws://h").slice(1), [
    "1 sent, 1 answered, 0% lost",
    "rtt min/avg/p50/p99/max = 20 ms / 20 ms / 20 ms / 20 ms / 20 ms",
  ]);
});

Deno.test("ten answers make a histogram", () => {
  const trips = new RoundTrips(1_000);
  for (let i = 1; i <= 10; i++) trips.answer(trips.send(0), i);
  const bars = histogram(trips.times);
  assertEquals(pingReport(trips, "ws://h").slice(3), ["", ...bars]);
});

Deno.test("nothing sent is nothing lost", () => {
  assertEquals(pingReport(new RoundTrips(1_000), "ws://h").slice(1), [
    "0 sent, 0 answered, 0% lost",
  ]);
});

Deno.test("without an answer there are no times", () => {
  const trips = new RoundTrips(1_000);
  trips.send(0);
  assertEquals(pingReport(trips, "ws://h").slice(1), [
    "1 sent, 0 answered, 100% lost",
  ]);
});

Deno.test("one time alone makes no histogram", () => {
  assertEquals(histogram([]), []);
  assertEquals(histogram([1]), []);
});

Deno.test("the longest bar is of the most frequent times", () => {
  const rows = histogram([1, 1, 1, 1, 8, 8]);
  assertEquals(rows.length > 1, true);
  assert(rows[0]?.endsWith(" 4  " + "#".repeat(40)), rows[0]);
  assert(rows.at(-1)?.endsWith(" 2  " + "#".repeat(20)), rows.at(-1));
});

Deno.test("every time is counted, in at most ten rows that fit a terminal", () => {
  const time = fc.double({ min: 0, max: 1e6, noNaN: true });
  fc.assert(fc.property(fc.array(time, { minLength: 2 }), (times) => {
    const rows = histogram(times);
    assert(rows.length >= 1 && rows.length <= 10);
    assert(rows.every((row) => row.length <= 80));
    const counts = rows.map((row) =>
      Number(/ (\d+)(?: {2}#+)?$/.exec(row)?.[1])
    );
    assertEquals(counts.reduce((a, b) => a + b, 0), times.length);
  }));
});

Deno.test("a quantile is one of the times", () => {
  assertEquals(quantile([4, 1, 3, 2], 0.5), 2);
  assertEquals(quantile([4, 1, 3, 2], 0.99), 4);
  assertEquals(quantile([4, 1, 3, 2], 0), 1);
});

Deno.test("rows of equal ratio go from the least to the greatest time", () => {
  const bar = "#".repeat(40);
  assertEquals(histogram([1, 1, 1.9]), [
    `  up to    1.2 ms      2  ${bar}`,
    "  up to    1.4 ms      0",
    "  up to    1.7 ms      0",
    `  up to    2.0 ms      1  ${bar.slice(20)}`,
  ]);
  const wide = histogram([1, 1000, 1000, 1000]);
  assertEquals(wide.length, 10);
  assertEquals(wide[0], `  up to    2.0 ms      1  ${bar.slice(26)}`);
  assertEquals(wide[9], `  up to     1.0 s      3  ${bar}`);
});

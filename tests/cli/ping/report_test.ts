import { assertEquals } from "@std/assert";
import { histogram } from "../../../src/cli/ping/histogram.ts";
import { pingReport } from "../../../src/cli/ping/report.ts";
import { RoundTrips } from "../../../src/cli/ping/round_trips.ts";

Deno.test("the report counts, and hides what may be secret in the URL", () => {
  const trips = new RoundTrips(1_000);
  for (const [sent, answered] of [[0, 1], [10, 13]] as const) {
    trips.answer(trips.send(sent), answered);
  }
  trips.send(20);
  const lines = pingReport(trips, "wss://u:p@example.com/x?token=1");
  assertEquals(lines.slice(0, 4), [
    "",
    "--- wss://example.com/x?*** ping statistics ---",
    "3 sent, 2 answered, 33.3% lost",
    "rtt min/avg/p99/max = 1.0 ms / 2.0 ms / 3.0 ms / 3.0 ms",
  ]);
  assertEquals(lines.slice(4), ["", ...histogram([1, 3])]);
});

Deno.test("one answer has its times, but no histogram", () => {
  const trips = new RoundTrips(1_000);
  trips.answer(trips.send(0), 20);
  assertEquals(pingReport(trips, "ws://h").slice(2), [
    "1 sent, 1 answered, 0% lost",
    "rtt min/avg/p99/max = 20 ms / 20 ms / 20 ms / 20 ms",
  ]);
});

Deno.test("nothing sent is nothing lost", () => {
  assertEquals(pingReport(new RoundTrips(1_000), "ws://h").slice(2), [
    "0 sent, 0 answered, 0% lost",
  ]);
});

Deno.test("without an answer there are no times", () => {
  const trips = new RoundTrips(1_000);
  trips.send(0);
  assertEquals(pingReport(trips, "ws://h").slice(2), [
    "1 sent, 0 answered, 100% lost",
  ]);
});

import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { Pinger } from "../../../src/cli/ping/pinger.ts";
import { RoundTrips } from "../../../src/cli/ping/round_trips.ts";
import { ClientRun } from "../../../src/cli/run/client_run.ts";
import { sentences } from "../../../src/cli/run/link_events.ts";

function pinger(count: number, pong?: RegExp) {
  const told: string[] = [];
  const trips = new RoundTrips(500);
  const it = new Pinger({
    trips,
    pong,
    message: pong === undefined ? undefined : "ping",
    interval: 100,
    count,
    now: () => Date.now(),
    onAnswer: ({ seq }) => told.push(`answer ${seq}`),
    onLost: (seq) => told.push(`lost ${seq}`),
  });
  const ignore = () => {};
  const run = new ClientRun({
    config: { url: "ws://127.0.0.1:9" },
    events: sentences({ good: ignore, trouble: ignore, detail: ignore }),
    deliver: ignore,
  });
  return { it, trips, told, run };
}

Deno.test("pings go out at a steady pace, and it ends with the last answer", async () => {
  using time = new FakeTime();
  const { it, trips, told, run } = pinger(3);
  const done = it.run(run);
  await pass(time, 99);
  assertEquals(trips.sent, 1);
  await pass(time, 1);
  assertEquals(trips.sent, 2);
  await pass(time, 100);
  assertEquals(trips.sent, 3);
  ["3", "1", "nothing", "2"].forEach((data) => it.onMessage(data));
  assertEquals(told, ["answer 3", "answer 1", "answer 2"]);
  assertEquals(run.isOver, true);
  await done;
});

Deno.test("what is not answered in time is lost, and it ends with the last one", async () => {
  using time = new FakeTime();
  const { it, told, run } = pinger(2);
  const done = it.run(run);
  for (let i = 0; i < 5; i++) await pass(time, 100);
  assertEquals(told, ["lost 1"]);
  await pass(time, 100);
  await done;
  assertEquals(told, ["lost 1", "lost 2"]);
});

Deno.test("only what matches is the answer to a message of one's own", async () => {
  using time = new FakeTime();
  const { it, told, run } = pinger(1, /^pong$/);
  const done = it.run(run);
  await pass(time, 1);
  ["1", "noise", "pong"].forEach((data) => it.onMessage(data));
  assertEquals(told, ["answer 1"]);
  await done;
});

/** Lets time pass, and what follows from it happen. */
async function pass(time: FakeTime, ms: number): Promise<void> {
  await time.tickAsync(ms);
  await time.runMicrotasks();
}

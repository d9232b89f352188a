import { assertEquals } from "@std/assert";
import { WebSocketStreamClient, type WSStats } from "../../../mod.ts";
import {
  type RunStats,
  runStats,
  statsLine,
  summaryLine,
} from "../../../src/cli/run/run_result.ts";

/** The numbers of a client that has not begun, but for these. */
function statsWith(numbers: Partial<WSStats>): RunStats {
  const { stats } = new WebSocketStreamClient({ url: "ws://127.0.0.1" });
  return runStats([{ ...stats, ...numbers }]);
}

Deno.test("what was received and sent is told, with its size", () => {
  assertEquals(
    summaryLine(statsWith({
      connects: 1,
      messagesReceived: 1234,
      bytesReceived: 45_000,
      messagesSent: 1,
      bytesSent: 12,
    })),
    "received 1,234 messages (44 KiB), sent 1 message (12 B)",
  );
  assertEquals(
    summaryLine(statsWith({ messagesReceived: 1, bytesReceived: 5 })),
    "received 1 message (5 B), sent 0 messages",
  );
  assertEquals(
    summaryLine(statsWith({})),
    "received 0 messages, sent 0 messages",
  );
  assertEquals(
    summaryLine(
      statsWith({ messagesSent: 5, bytesSent: 10, redelivered: 2 }),
    ),
    "received 0 messages, sent 5 messages (10 B), 2 of them again",
  );
});

Deno.test("reconnects are told with the time without a connection, rotations are none", () => {
  const line = (numbers: Partial<WSStats>) =>
    summaryLine(statsWith(numbers)).replace(/^.*sent 0 messages(, )?/, "");
  assertEquals(
    line({ connects: 3, downtime: 1300 }),
    "2 reconnects (1.3 s without a connection)",
  );
  assertEquals(
    line({ connects: 2, downtime: 20 }),
    "1 reconnect (20 ms without a connection)",
  );
  assertEquals(line({ connects: 4, rotations: 3 }), "");
  assertEquals(line({ connects: 0 }), "");
});

Deno.test("what was lost is told", () => {
  assertEquals(
    summaryLine(statsWith({ dropped: 1 }), 1),
    "received 0 messages, sent 0 messages, 1 message dropped, " +
      "1 message not sent",
  );
});

Deno.test("a line of --stats has state, queue and round trip, too", () => {
  const rtt = { last: 12.3, min: 1, mean: 5, p99: 20 };
  assertEquals(
    statsLine(statsWith({ queued: 1, rtt }), "waiting"),
    "waiting: received 0 messages, sent 0 messages, 1 message queued, " +
      "rtt 12 ms",
  );
  assertEquals(
    statsLine(statsWith({}), "open"),
    "open: received 0 messages, sent 0 messages",
  );
});

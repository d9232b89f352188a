import { assertEquals } from "@std/assert";
import { WebSocketStreamClient, WSError, type WSStats } from "../../../mod.ts";
import { stderrNotices } from "../../../src/cli/notices.ts";
import type { RunResult } from "../../../src/cli/run/client_run.ts";
import type { EndReason } from "../../../src/cli/run/end_reason.ts";
import {
  printSummary,
  statsLine,
  summaryLine,
} from "../../../src/cli/run/summary.ts";

/** The numbers of a client that has not begun, but for these. */
function statsWith(numbers: Partial<WSStats>): WSStats {
  const { stats } = new WebSocketStreamClient({ url: "ws://127.0.0.1" });
  return { ...stats, ...numbers };
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
    "received 1,234 messages (45 kB), sent 1 message (12 B)",
  );
  assertEquals(
    summaryLine(statsWith({ messagesReceived: 1, bytesReceived: 5 })),
    "received 1 message (5 B), sent 0 messages",
  );
  assertEquals(
    summaryLine(statsWith({})),
    "received 0 messages, sent 0 messages",
  );
});

Deno.test("reconnects are told with the time without a link, rotations are none", () => {
  const line = (numbers: Partial<WSStats>) =>
    summaryLine(statsWith(numbers)).replace(/^.*sent 0 messages(, )?/, "");
  assertEquals(
    line({ connects: 3, downtime: 1300 }),
    "2 reconnects (1.3 s without a link)",
  );
  assertEquals(
    line({ connects: 2, downtime: 20 }),
    "1 reconnect (20 ms without a link)",
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

const SUMMARY = "received 0 messages, sent 0 messages";

/** The last words, each with how loud it is. */
function said(reason: EndReason, unsent = 0): string[] {
  const { stats } = new WebSocketStreamClient({ url: "ws://127.0.0.1" });
  const result: RunResult = {
    status: 0,
    reason,
    stats,
    unsent: { unsent, unsentBytes: unsent },
  };
  const lines: string[] = [];
  const loud = (how: string) => (text: string) => lines.push(`${how}: ${text}`);
  printSummary(result, {
    ...stderrNotices({ quiet: true, verbose: 0, color: "never" }),
    fatal: loud("fatal"),
    trouble: loud("trouble"),
    good: loud("good"),
    detail: loud("detail"),
  });
  return lines;
}

const refused = new WSError("refused\x1b[2J", {
  code: "CONNECT",
  severity: "transient",
});

Deno.test("a run that did what it should ends without a word", () => {
  const quietly = [`detail: ${SUMMARY}`];
  assertEquals(said({ kind: "done" }), quietly);
  assertEquals(said({ kind: "ended", error: undefined }), quietly);
});

Deno.test("what ended a run is said, safe for a terminal", () => {
  assertEquals(said({ kind: "ended", error: refused }), [
    "fatal: refused\\x1b[2J",
    `detail: ${SUMMARY}`,
  ]);
  assertEquals(
    said({ kind: "failed", error: new Error("disk full\x07"), code: 1 }),
    ["fatal: disk full\\x07", `detail: ${SUMMARY}`],
  );
  assertEquals(said({ kind: "timeout" }), [
    "trouble: the time is up (--timeout)",
    `detail: ${SUMMARY}`,
  ]);
  assertEquals(said({ kind: "gap" }), [
    "fatal: messages may have been missed (--fail-on-gap)",
    `detail: ${SUMMARY}`,
  ]);
});

Deno.test("a signal is answered with the summary, and that alone", () => {
  assertEquals(said({ kind: "signal", signal: "SIGINT" }, 2), [
    `good: ${SUMMARY}, 2 messages not sent`,
  ]);
});

Deno.test("what was not sent is said", () => {
  assertEquals(said({ kind: "done" }, 1), [
    "trouble: 1 message was not sent",
    `detail: ${SUMMARY}, 1 message not sent`,
  ]);
  assertEquals(
    said({ kind: "timeout" }, 1200)[1],
    "trouble: 1,200 messages were not sent",
  );
});

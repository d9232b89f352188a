import { assertEquals } from "@std/assert";
import { WebSocketStreamClient, WSError } from "../../../mod.ts";
import { stderrNotices } from "../../../src/cli/notices.ts";
import type { RunResult } from "../../../src/cli/run/client_run.ts";
import { sayFarewell } from "../../../src/cli/run/farewell.ts";
import type { Outcome } from "../../../src/cli/run/outcome.ts";

const SUMMARY = "received 0 messages, sent 0 messages";

/** The last words, each with how loud it is. */
function said(outcome: Outcome, unsent = 0): string[] {
  const { stats } = new WebSocketStreamClient({ url: "ws://127.0.0.1" });
  const result: RunResult = {
    ending: 0,
    outcome,
    stats,
    unsent: { unsent, unsentBytes: unsent },
  };
  const lines: string[] = [];
  const loud = (how: string) => (text: string) => lines.push(`${how}: ${text}`);
  sayFarewell(result, {
    ...stderrNotices({ quiet: true, verbose: false, color: "never" }),
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

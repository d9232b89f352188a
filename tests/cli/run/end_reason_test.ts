import { assertEquals } from "@std/assert";
import { WSError } from "../../../mod.ts";
import {
  drainOf,
  type EndReason,
  exitStatusOf,
} from "../../../src/cli/run/end_reason.ts";

const tls = new WSError("not accepted", { code: "TLS", severity: "fatal" });
const normal = new WSError("closed", {
  code: "CLOSED",
  severity: "transient",
  closeCode: 1000,
});

const OUTCOMES = {
  ended: { kind: "ended", error: undefined },
  refused: { kind: "ended", error: tls },
  closed: { kind: "ended", error: normal },
  done: { kind: "done" },
  timeout: { kind: "timeout" },
  gap: { kind: "gap" },
  interrupted: { kind: "signal", signal: "SIGINT" },
  terminated: { kind: "signal", signal: "SIGTERM" },
  broken: { kind: "failed", error: new Error("disk full"), code: 1 },
  misused: { kind: "failed", error: new Error("no base64"), code: 2 },
} as const satisfies Record<string, EndReason>;

function each(judge: (reason: EndReason) => unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(OUTCOMES).map(([name, reason]) => [name, judge(reason)]),
  );
}

Deno.test("each reason has its exit code, or the signal to die of", () => {
  assertEquals(each((reason) => exitStatusOf(reason, false)), {
    ended: 0,
    refused: 8,
    closed: 0,
    done: 0,
    timeout: 124,
    gap: 9,
    interrupted: "SIGINT",
    terminated: "SIGTERM",
    broken: 1,
    misused: 2,
  });
});

Deno.test("what was lost turns success into 9, and hides no other failure", () => {
  assertEquals(each((reason) => exitStatusOf(reason, true)), {
    ended: 9,
    refused: 8,
    closed: 9,
    done: 9,
    timeout: 124,
    gap: 9,
    interrupted: "SIGINT",
    terminated: "SIGTERM",
    broken: 1,
    misused: 2,
  });
});

Deno.test("the queue is drained when all is well, and a moment for a signal", () => {
  assertEquals(each((reason) => drainOf(reason, true)), {
    ended: 0,
    refused: 0,
    closed: 0,
    done: 3000,
    timeout: 0,
    gap: 0,
    interrupted: 500,
    terminated: 500,
    broken: 0,
    misused: 0,
  });
});

Deno.test("without a link there is nothing to drain into", () => {
  for (const reason of Object.values(OUTCOMES)) {
    assertEquals(drainOf(reason, false), 0);
  }
});

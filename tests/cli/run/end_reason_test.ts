import { assertEquals } from "@std/assert";
import { WSError, type WSErrorCode } from "../../../mod.ts";
import {
  EXIT_CODES,
  type ExitCode,
  signalExitCode,
} from "../../../src/cli/exit_status.ts";
import {
  type EndReason,
  exitCodeOf,
  exitStatusOf,
} from "../../../src/cli/run/end_reason.ts";

const tls = new WSError("not accepted", { code: "TLS", severity: "fatal" });
const normal = new WSError("closed", {
  code: "CLOSED",
  severity: "transient",
  closeCode: 1000,
});

const REASONS = {
  ended: { kind: "ended", error: undefined },
  refused: { kind: "ended", error: tls },
  closed: { kind: "ended", error: normal },
  done: { kind: "done" },
  inputOver: { kind: "input-over" },
  planned: { kind: "planned" },
  timeout: { kind: "timeout" },
  outputClosed: { kind: "output-closed" },
  gap: { kind: "gap" },
  interrupted: { kind: "signal", signal: "SIGINT" },
  hungUp: { kind: "signal", signal: "SIGHUP" },
  terminated: { kind: "signal", signal: "SIGTERM" },
  broken: { kind: "failed", error: new Error("disk full"), code: 1 },
  misused: { kind: "failed", error: new Error("no base64"), code: 2 },
} as const satisfies Record<string, EndReason>;

function each(of: (reason: EndReason) => unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(REASONS).map(([name, reason]) => [name, of(reason)]),
  );
}

Deno.test("each reason has its exit code, or the signal to exit by", () => {
  const facts = { lost: false, goal: "none", unsent: 0 } as const;
  assertEquals(each((reason) => exitStatusOf(reason, facts)), {
    ended: 0,
    refused: 8,
    closed: 0,
    done: 0,
    inputOver: 0,
    planned: 0,
    timeout: 124,
    outputClosed: 0,
    gap: 9,
    interrupted: "SIGINT",
    hungUp: "SIGHUP",
    terminated: "SIGTERM",
    broken: 1,
    misused: 2,
  });
});

Deno.test("what was lost turns success into 9, and hides no other failure", () => {
  const before = each((reason) =>
    exitStatusOf(reason, { lost: false, goal: "none", unsent: 0 })
  );
  const after = each((reason) =>
    exitStatusOf(reason, { lost: true, goal: "none", unsent: 0 })
  );
  for (const [name, status] of Object.entries(before)) {
    const isFine = status === 0 && name !== "outputClosed";
    assertEquals(after[name], isFine ? 9 : status, name);
  }
});

Deno.test("an end before the wanted messages came is no success", () => {
  const facts = { lost: false, goal: "missed", unsent: 0 } as const;
  const { ended, closed, inputOver, planned, refused, interrupted } = each(
    (reason) => exitStatusOf(reason, facts),
  );
  assertEquals(
    { ended, closed, inputOver, planned, refused, interrupted },
    {
      ended: 4,
      closed: 4,
      inputOver: 124,
      planned: 124,
      refused: 8,
      interrupted: "SIGINT",
    },
  );
});

Deno.test("a normal close before the input was sent is no success", () => {
  const facts = { goal: "none", unsent: 1 } as const;
  const { ended, closed } = REASONS;
  for (const reason of [ended, closed]) {
    assertEquals(exitStatusOf(reason, { ...facts, lost: false }), 4);
    assertEquals(exitStatusOf(reason, { ...facts, lost: true }), 9);
  }
});

function error(
  code: WSErrorCode,
  facts: { closeCode?: number; cause?: unknown } = {},
): WSError {
  return new WSError(code, { code, severity: "fatal", ...facts });
}

Deno.test("each kind of error has its exit code", () => {
  const codes: Record<WSErrorCode, ExitCode> = {
    CONNECT: 7,
    DNS: 6,
    TIMEOUT: 124,
    TLS: 8,
    HTTP_STATUS: 3,
    REDIRECT: 3,
    HANDSHAKE: 3,
    PERMISSION: 2,
    CLOSED: 5,
    PROTOCOL: 5,
    HEARTBEAT: 5,
    SLOW_CONSUMER: 9,
    QUEUE_FULL: 9,
    EXPIRED: 9,
    ABORTED: 9,
    TOO_LARGE: 2,
    RETRIES_EXHAUSTED: 7,
    STOPPED: 0,
    SPOOL: 2,
    CALLBACK: 1,
  };
  const isCode = (name: string): name is WSErrorCode => name in codes;
  for (const code of Object.keys(codes).filter(isCode)) {
    assertEquals(exitCodeOf(error(code)), codes[code], code);
  }
});

Deno.test("a close is fine with 1000 and 1001, a drop with 1006, else the server's doing", () => {
  const of = (closeCode: number) => exitCodeOf(error("CLOSED", { closeCode }));
  assertEquals([1000, 1001].map(of), [0, 0]);
  assertEquals(of(1006), 5);
  assertEquals([1002, 1005, 1008, 1011, 1012, 4000].map(of), [
    4,
    4,
    4,
    4,
    4,
    4,
  ]);
});

Deno.test("when retries are used up, the last cause counts", () => {
  const after = (cause: unknown) =>
    exitCodeOf(error("RETRIES_EXHAUSTED", { cause }));
  assertEquals(after(error("DNS")), 6);
  assertEquals(after(error("CLOSED", { closeCode: 1011 })), 4);
  assertEquals(after(new Error("unknown")), 7);
});

Deno.test("a signal has the code that shells show for it", () => {
  assertEquals(signalExitCode("SIGHUP"), 129);
  assertEquals(signalExitCode("SIGINT"), 130);
  assertEquals(signalExitCode("SIGTERM"), 143);
});

Deno.test("each exit code has its meaning, in one line", () => {
  for (const [code, meaning] of Object.entries(EXIT_CODES)) {
    assertEquals(/^.{2,70}$/.test(meaning), true, code);
  }
});

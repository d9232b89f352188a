import { assertEquals } from "@std/assert";
import { WSError, type WSErrorCode } from "../../mod.ts";
import {
  EXIT_CODES,
  type ExitCode,
  exitCodeOf,
  signalExitCode,
} from "../../src/cli/exit_status.ts";

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
    SPOOL: 1,
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
  assertEquals(signalExitCode("SIGINT"), 130);
  assertEquals(signalExitCode("SIGTERM"), 143);
});

Deno.test("each exit code has its meaning, in one line", () => {
  for (const [code, meaning] of Object.entries(EXIT_CODES)) {
    assertEquals(/^.{2,60}$/.test(meaning), true, code);
  }
});

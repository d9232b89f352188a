import { assertEquals } from "@std/assert";
import {
  internalError,
  notA,
  served,
  stopped,
  waitsForItself,
} from "../src/client_errors.ts";

Deno.test("the ends of a client are fatal, and tell whose doing they were", () => {
  const cause = new Error("enough");
  const errors = [stopped(), stopped(cause), served(), internalError(cause)];
  assertEquals(
    errors.map(({ code, severity, message, cause }) => ({
      code,
      severity,
      message,
      cause,
    })),
    [
      {
        code: "STOPPED",
        severity: "fatal",
        message: "The client was stopped",
        cause: undefined,
      },
      {
        code: "STOPPED",
        severity: "fatal",
        message: "The client was stopped",
        cause,
      },
      {
        code: "STOPPED",
        severity: "fatal",
        message: "The server closed the connection, and that was all",
        cause: undefined,
      },
      {
        code: "CONNECT",
        severity: "fatal",
        message: "The client failed: Error: enough",
        cause,
      },
    ],
  );
});

Deno.test("who waits for himself is told what to use instead", () => {
  const { code, severity, message } = waitsForItself();
  assertEquals([code, severity], ["QUEUE_FULL", "transient"]);
  assertEquals(message.endsWith("use session.send()"), true);
});

Deno.test("the error for a message of the wrong kind does not show it", () => {
  assertEquals(
    notA("text", new Uint8Array(1)).message,
    "Cannot send as text what is not a string: current value is an object",
  );
  assertEquals(
    notA("binary", "secret").message,
    "Cannot send as binary what is not a Uint8Array: current value is a string",
  );
});

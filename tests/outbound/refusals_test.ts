import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  aborted,
  expired,
  queueFull,
  tooLarge,
} from "../../src/outbound/refusals.ts";

Deno.test("a refusal is the message's own, and says what the limit is", () => {
  const errors = [tooLarge(11, 10), queueFull(5, 100), expired(), aborted(1)];
  assertEquals(errors.map(({ code, severity }) => `${code} ${severity}`), [
    "TOO_LARGE transient",
    "QUEUE_FULL transient",
    "EXPIRED transient",
    "ABORTED transient",
  ]);
  assertStringIncludes(tooLarge(11, 10).message, "sendQueueMaxBytes is 10");
  assertStringIncludes(queueFull(5, 100).message, "5 messages, 100 bytes");
  assertEquals(aborted("enough").cause, "enough");
});

import { assertEquals } from "@std/assert";
import { RUN_FLAGS } from "../../../src/cli/flags/run_flags.ts";

Deno.test("the words of a flag are the values that the client knows", () => {
  assertEquals(RUN_FLAGS.overflow.words, [
    "wait",
    "reject",
    "drop-oldest",
    "drop-newest",
  ]);
  assertEquals(RUN_FLAGS.redeliver.words, ["unflushed", "none"]);
  assertEquals(RUN_FLAGS.binary.words, ["raw", "base64", "hex"]);
});

Deno.test("--no-linger waits for nothing, --no-delimiter puts nothing between", () => {
  assertEquals(RUN_FLAGS.linger.off, 0);
  assertEquals(RUN_FLAGS.delimiter.off, "");
  assertEquals(RUN_FLAGS.linger.default, "1s");
});

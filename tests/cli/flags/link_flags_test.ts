import { assertEquals, assertThrows } from "@std/assert";
import { LINK_FLAGS } from "../../../src/cli/flags/link_flags.ts";
import { UsageError } from "../../../src/cli/flags/values.ts";

Deno.test("what does not count as a duration, a number or a pattern is refused", () => {
  assertThrows(() => LINK_FLAGS["connect-timeout"].parse("0"), UsageError);
  assertEquals(LINK_FLAGS["idle-timeout"].parse("0"), 0);
  assertThrows(() => LINK_FLAGS["max-retries"].parse("-1"), UsageError);
  assertThrows(() => LINK_FLAGS["await"].parse("["), UsageError);
});

Deno.test("--no-... switches off what can be switched off", () => {
  assertEquals(LINK_FLAGS["ping-interval"].off, 0);
  assertEquals(LINK_FLAGS["idle-timeout"].off, 0);
  assertEquals(LINK_FLAGS["max-connection-age"].off, 0);
  assertEquals(LINK_FLAGS["follow-redirects"].off, 0);
  assertEquals(LINK_FLAGS["max-retries"].off, Infinity);
});

Deno.test("secrets are files: no flag takes one as its value", () => {
  for (const [name, flag] of Object.entries(LINK_FLAGS)) {
    if (!/auth|bearer|key|token|password/.test(name)) continue;
    assertEquals("value" in flag && flag.value, "FILE", name);
  }
});

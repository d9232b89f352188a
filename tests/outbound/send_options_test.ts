import { assertThrows } from "@std/assert";
import { checkSendOptions } from "../../src/outbound/send_options.ts";

Deno.test("sound options pass", () => {
  checkSendOptions({});
  checkSendOptions({ ttl: 0.5, key: "", signal: AbortSignal.timeout(0) });
  checkSendOptions({ ttl: Infinity, key: undefined, signal: undefined });
});

for (const ttl of [0, -1, NaN, -Infinity, "1", null]) {
  Deno.test(`a ttl of ${ttl} does not pass`, () => {
    const kind = typeof ttl === "number" ? RangeError : TypeError;
    assertThrows(() => check({ ttl }), kind, "'ttl'");
  });
}

Deno.test("neither does a key that is no text, nor a signal that is none", () => {
  for (const key of [1, null, Symbol.iterator]) {
    assertThrows(() => check({ key }), TypeError, "'key'");
  }
  for (const signal of [null, {}, new AbortController()]) {
    assertThrows(() => check({ signal }), TypeError, "'signal'");
  }
});

Deno.test("nor options that are no object", () => {
  for (const options of [null, 1, "ttl"]) {
    assertThrows(() => check(options), TypeError, "'send()'");
  }
});

Deno.test("nor an option that nobody knows: misspelt, it would be lost", () => {
  assertThrows(() => check({ tll: 5 }), TypeError, "'tll' in send()");
});

/** As a program without types calls it. */
function check(options: unknown): void {
  Reflect.apply(checkSendOptions, undefined, [options]);
}

import { assertEquals, assertThrows } from "@std/assert";
import type { Redelivery } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";
import { Composer } from "../../src/outbound/composer.ts";

Deno.test("an entry knows its bytes on the wire and when it expires", () => {
  const { composer } = composing("unflushed");
  assertEquals(composer.compose("héllo").bytes, 6);
  assertEquals(composer.compose(new Uint8Array(3)).bytes, 3);
  const signal = new AbortController().signal;
  const entry = composer.compose("a", { ttl: 50, key: "k", signal });
  assertEquals([entry.expires, entry.key], [1050, "k"]);
  assertEquals(entry.signal === signal, true);
  assertEquals(composer.compose("a", {}).expires, Infinity);
  assertEquals(composer.compose("a", { ttl: Infinity }).expires, Infinity);
});

Deno.test("what is neither a text nor bytes is refused", () => {
  const { composer } = composing("unflushed");
  for (const data of [undefined, null, 1, {}, new ArrayBuffer(1), [1]]) {
    assertThrows(
      () => Reflect.apply(composer.compose, composer, [data]),
      TypeError,
      "'data'",
    );
  }
  assertThrows(() => composer.compose("a", { ttl: 0 }), RangeError, "'ttl'");
});

Deno.test("what is aborted before it is sent is refused", () => {
  const { composer } = composing("unflushed");
  const signal = AbortSignal.abort("enough");
  const error = assertThrows(() => composer.compose("a", { signal }), WSError);
  assertEquals([error.code, error.cause], ["ABORTED", "enough"]);
});

Deno.test("an id is asked for once, where messages are acknowledged", () => {
  let asked = 0;
  const { composer } = composing(acknowledged(() => ++asked));
  assertEquals(composer.compose("a").id, 1);
  assertEquals(composer.compose("a", { key: "k" }).id, 2);
  assertEquals(composing("none").composer.compose("a").id, undefined);
});

Deno.test("without an id a message is refused, and that is reported", () => {
  const answers = [() => NaN, () => Reflect.get({}, "id"), throws];
  for (const id of answers) {
    const { composer, errors } = composing(acknowledged(id));
    const error = assertThrows(() => composer.compose("a"), WSError);
    assertEquals([error.code, error.severity], ["CALLBACK", "transient"]);
    assertEquals(errors.length === 1 && errors[0] === error, true);
  }
});

Deno.test("a message from the spool is what it was, and gets its id anew", () => {
  const { composer } = composing(acknowledged((data) => `id of ${data}`));
  const stored = { row: 7, data: "é", expires: 5, key: "k" };
  const entry = composer.restore(stored);
  const { row, data, bytes, expires, key, id } = entry;
  assertEquals({ row, data, bytes, expires, key, id }, {
    ...stored,
    bytes: 2,
    id: "id of é",
  });
});

Deno.test("a message from the spool is kept without an id rather than lost", () => {
  const { composer, errors } = composing(acknowledged(throws));
  const stored = { row: 7, data: "a", expires: Infinity, key: undefined };
  assertEquals(composer.restore(stored).id, undefined);
  assertEquals(errors.map(({ code }) => code), ["CALLBACK"]);
});

function throws(): never {
  throw new Error("no id");
}

function acknowledged(id: (data: Message) => string | number): Redelivery {
  return { id, acknowledged: () => undefined };
}

function composing(redeliver: Redelivery) {
  const errors: WSError[] = [];
  const composer = new Composer(
    redeliver,
    () => 1000,
    (error) => errors.push(error),
  );
  return { composer, errors };
}

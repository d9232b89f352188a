import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { SendOverflow } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import { Acceptance } from "../../src/outbound/acceptance.ts";
import { Backlog } from "../../src/outbound/backlog.ts";
import { Composer } from "../../src/outbound/composer.ts";
import { Express } from "../../src/outbound/express.ts";
import { FlushLedger } from "../../src/outbound/ledger.ts";

Deno.test("while there is room every sender gets the same settled promise", async () => {
  const { acceptance } = counter({});
  const promise = acceptance.send("a");
  assertStrictEquals(acceptance.send("b", { key: "k" }), promise);
  await promise;
});

Deno.test("wait: the sender waits, and trySend does not", async () => {
  const { acceptance, backlog } = counter({ maxSize: 1 });
  assertEquals(acceptance.trySend("a"), true);
  const waiting = acceptance.send("b");
  assertEquals(acceptance.trySend("c"), false);
  backlog.next();
  assertEquals(acceptance.trySend("d"), false, "it does not overtake");
  backlog.admit();
  await waiting;
});

Deno.test("reject: the sender hears that the queue is full", async () => {
  const { acceptance } = counter({ overflow: "reject", maxSize: 1 });
  await acceptance.send("a");
  assertEquals(await codeOf(acceptance.send("b")), "QUEUE_FULL");
  assertEquals(acceptance.trySend("b"), false);
});

Deno.test("a drop policy never makes the sender wait or fail", async () => {
  for (const overflow of ["drop-oldest", "drop-newest"] as const) {
    const { acceptance, dropped } = counter({ overflow, maxSize: 1 });
    await acceptance.send("a");
    await acceptance.send("b");
    assertEquals(dropped, [overflow === "drop-oldest" ? "a" : "b"]);
  }
});

Deno.test("trySend tells what the policy dropped from what it accepted", () => {
  const oldest = counter({ overflow: "drop-oldest", maxSize: 1 });
  const newest = counter({ overflow: "drop-newest", maxSize: 1 });
  for (const { acceptance } of [oldest, newest]) acceptance.trySend("a");
  assertEquals(oldest.acceptance.trySend("b"), true);
  assertEquals(newest.acceptance.trySend("b"), false);
  assertEquals(newest.dropped, ["b"]);
});

Deno.test("what is too large is refused at once, whatever the policy", async () => {
  const overflows = ["wait", "reject", "drop-oldest", "drop-newest"] as const;
  for (const overflow of overflows) {
    const { acceptance, dropped } = counter({ overflow, maxBytes: 3 });
    assertEquals(await codeOf(acceptance.send("four")), "TOO_LARGE");
    assertEquals(await codeOf(acceptance.send("éé")), "TOO_LARGE");
    assertEquals(acceptance.trySend("four"), false);
    assertEquals(dropped, []);
  }
});

Deno.test("what may not wait is refused instead, and only when it would wait", async () => {
  const refusal = new WSError("no", {
    code: "QUEUE_FULL",
    severity: "transient",
  });
  const { acceptance } = counter({ maxSize: 1, refusal });
  await acceptance.send("a");
  const error = await assertRejects(() => acceptance.send("b"));
  assertStrictEquals(error, refusal);
});

Deno.test("of what cannot be sent at all the sender is told by a TypeError or RangeError", async () => {
  const { acceptance } = counter({});
  const send = (...args: unknown[]) =>
    Reflect.apply(acceptance.send, acceptance, args);
  const trySend = (...args: unknown[]) =>
    Reflect.apply(acceptance.trySend, acceptance, args);
  for (const args of [[1], [undefined], ["a", { ttl: "1" }], ["a", 5]]) {
    await assertRejects(() => send(...args), TypeError);
    assertThrows(() => trySend(...args), TypeError);
  }
  await assertRejects(() => send("a", { ttl: -1 }), RangeError);
  assertThrows(() => trySend("a", { ttl: -1 }), RangeError);
});

Deno.test("an aborted signal refuses the message", async () => {
  const { acceptance } = counter({});
  const options = { signal: AbortSignal.abort() };
  assertEquals(await codeOf(acceptance.send("a", options)), "ABORTED");
  assertEquals(acceptance.trySend("a", options), false);
});

async function codeOf(promise: Promise<void>): Promise<string> {
  const error = await assertRejects(() => promise, WSError);
  return error.code;
}

interface Setup {
  readonly overflow?: SendOverflow;
  readonly maxSize?: number;
  readonly maxBytes?: number;
  readonly refusal?: WSError;
}

function counter(
  { overflow = "wait", maxSize = 9, maxBytes = 99, refusal }: Setup,
) {
  const dropped: string[] = [];
  const onError = (error: WSError) => {
    throw error;
  };
  const composer = new Composer("unflushed", Date.now, onError);
  const backlog = new Backlog(
    { maxSize, maxBytes, overflow, once: false },
    new Express({ isUsed: false, maxSize, maxBytes }),
    new FlushLedger(() => {}),
    {
      accepted: () => {},
      dropped: ({ data }) => dropped.push(String(data)),
      isTaking: () => true,
      restore: (stored) => composer.restore(stored),
      onError,
      now: Date.now,
    },
  );
  const acceptance = new Acceptance(
    {
      sendQueueMaxSize: maxSize,
      sendQueueMaxBytes: maxBytes,
      overflow,
      redeliver: "unflushed",
    },
    () => refusal,
    composer,
    backlog,
  );
  return { acceptance, backlog, dropped };
}

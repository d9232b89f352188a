import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { WSError } from "../../src/errors.ts";
import { Inbox } from "../../src/inbound/inbox.ts";
import {
  readableFrom,
  type Sink,
  writableTo,
} from "../../src/inbound/streams.ts";
import type { Message } from "../../src/message.ts";

const BROKEN = new WSError("broken", { code: "CLOSED", severity: "fatal" });

Deno.test("the readable gives what the reader gets, and closes with it", async () => {
  const inbox = makeInbox();
  const readable = readableFrom(inbox);
  inbox.push("a");
  inbox.push(new Uint8Array([1]));
  inbox.end();
  assertEquals(await Array.fromAsync(readable), ["a", new Uint8Array([1])]);
});

Deno.test("the readable takes nothing that it was not asked for", async () => {
  const inbox = makeInbox();
  const reader = readableFrom(inbox).getReader();
  inbox.push("a");
  inbox.push("b");
  inbox.push("c");
  assertEquals((await reader.read()).value, "a");
  await turn();
  assertEquals(inbox.size, 2);
  await reader.cancel();
});

Deno.test("the readable errors with the reader's error after what was buffered", async () => {
  const inbox = makeInbox();
  const reader = readableFrom(inbox).getReader();
  reader.closed.catch(() => {});
  inbox.push("a");
  inbox.end(BROKEN);
  assertEquals((await reader.read()).value, "a");
  assertStrictEquals(await assertRejects(() => reader.read()), BROKEN);
});

Deno.test("cancelling the readable ends the reader, even while it waits", async () => {
  const inbox = makeInbox();
  const reader = readableFrom(inbox).getReader();
  const waiting = reader.read();
  await reader.cancel();
  assertEquals((await waiting).done, true);
  inbox.push("late");
  assertEquals(inbox.size, 0);
});

Deno.test("a write is done when the message is accepted", async () => {
  const accept = Promise.withResolvers<void>();
  const sent: Message[] = [];
  const writer = writableTo({
    flush: () => Promise.resolve(true),
    async send(message) {
      sent.push(message);
      await accept.promise;
    },
  }).getWriter();
  let isWritten = false;
  const writing = writer.write("a").then(() => isWritten = true);
  const second = writer.write("b");
  await turn();
  assertEquals([sent, isWritten, writer.desiredSize], [["a"], false, -1]);
  accept.resolve();
  await Promise.all([writing, second]);
  assertEquals(sent, ["a", "b"]);
});

Deno.test("closing the writable waits for the flush", async () => {
  const flushed = Promise.withResolvers<boolean>();
  const writer = writableTo(sink({ flush: () => flushed.promise })).getWriter();
  let isClosed = false;
  const closing = writer.close().then(() => isClosed = true);
  await turn();
  assertEquals(isClosed, false);
  flushed.resolve(true);
  await closing;
});

Deno.test("closing the writable fails when what was written cannot get out", async () => {
  const writer = writableTo(sink({ flush: () => Promise.reject(BROKEN) }))
    .getWriter();
  writer.closed.catch(() => {});
  assertStrictEquals(await assertRejects(() => writer.close()), BROKEN);
});

Deno.test("a refused message errors the writable with the reason", async () => {
  const writer = writableTo(sink({ send: () => Promise.reject(BROKEN) }))
    .getWriter();
  writer.closed.catch(() => {});
  assertStrictEquals(await assertRejects(() => writer.write("a")), BROKEN);
  assertStrictEquals(await assertRejects(() => writer.write("b")), BROKEN);
});

Deno.test("aborting the writable touches nothing that was accepted", async () => {
  const calls: string[] = [];
  const writer = writableTo({
    send: (message) => {
      calls.push(`send ${message}`);
      return Promise.resolve();
    },
    flush: () => {
      calls.push("flush");
      return Promise.resolve(true);
    },
  }).getWriter();
  writer.closed.catch(() => {});
  await writer.write("a");
  await writer.abort();
  assertEquals(calls, ["send a"]);
});

function makeInbox(): Inbox {
  return new Inbox({ maxSize: 10, maxBytes: 1000, overflow: "disconnect" }, {
    onOverflow() {},
    onDrained() {},
    onHole() {},
    onError() {},
    onEnd() {},
    now: () => 0,
  });
}

function sink(parts: Partial<Sink>): Sink {
  return {
    send: () => Promise.resolve(),
    flush: () => Promise.resolve(true),
    ...parts,
  };
}

/** Everything that is due now has run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

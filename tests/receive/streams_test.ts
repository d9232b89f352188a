import {
  assertEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { WSError, type WSErrorCode } from "../../src/errors.ts";
import { ReadBuffer } from "../../src/receive/read_buffer.ts";
import {
  ReadableSide,
  type Sink,
  WritableSide,
} from "../../src/receive/streams.ts";
import type { Message } from "../../src/message.ts";

const BROKEN = new WSError("broken", { code: "CLOSED", severity: "fatal" });

Deno.test("the readable gives the reader's messages and closes with the reader", async () => {
  const buffer = makeBuffer();
  const { stream } = new ReadableSide(() => buffer);
  buffer.push("a");
  buffer.push(new Uint8Array([1]));
  buffer.end();
  assertEquals(await Array.fromAsync(stream), ["a", new Uint8Array([1])]);
});

Deno.test("the readable makes its reader at the first read, and takes one message a read if later ones may replace it", async () => {
  const buffer = makeBuffer();
  let made = 0;
  const reader = new ReadableSide(() => {
    made++;
    return buffer;
  }).stream.getReader();
  await turn();
  assertEquals(made, 0);
  for (const message of "abc") buffer.push(message);
  assertEquals((await reader.read()).value, "a");
  await turn();
  assertEquals([made, buffer.size], [1, 2]);
  await reader.cancel();
});

Deno.test("the readable takes a few messages at once if none may be dropped", async () => {
  const buffer = makeBuffer("pause");
  const reader = new ReadableSide(() => buffer).stream.getReader();
  for (let i = 0; i < 20; i++) buffer.push(String(i));
  assertEquals((await reader.read()).value, "0");
  await turn();
  assertEquals(buffer.size, 4);
  await reader.cancel();
});

Deno.test("the readable takes large messages one at a time", async () => {
  const buffer = makeBuffer("pause");
  const reader = new ReadableSide(() => buffer).stream.getReader();
  for (let i = 0; i < 2; i++) buffer.push(new Uint8Array(64 * 1024));
  await reader.read();
  await turn();
  assertEquals(buffer.size, 1);
  await reader.cancel();
});

for (const overflow of ["drop-newest", "pause"] as const) {
  Deno.test(`${overflow}: the readable gives buffered messages before the reader's error`, async () => {
    const buffer = makeBuffer(overflow);
    const reader = new ReadableSide(() => buffer).stream.getReader();
    for (const message of "ab") buffer.push(message);
    buffer.end(BROKEN);
    assertEquals((await reader.read()).value, "a");
    assertEquals((await reader.read()).value, "b");
    assertStrictEquals(await assertRejects(() => reader.read()), BROKEN);
  });
}

Deno.test("cancelling the readable ends the reader, even while it waits", async () => {
  const buffer = makeBuffer();
  const reader = new ReadableSide(() => buffer).stream.getReader();
  const waiting = reader.read();
  await turn();
  await reader.cancel();
  assertEquals((await waiting).done, true);
  for (const message of ["late", "later"]) buffer.push(message);
  assertEquals(buffer.size, 0);
});

Deno.test("a cancelled readable makes no reader, and survives the client's end", async () => {
  const side = new ReadableSide(() => {
    throw new Error("made a reader");
  });
  await side.stream.cancel();
  side.end(BROKEN);
  assertEquals((await side.stream.getReader().read()).done, true);
});

// Writing ----------------------------------------------------------------------

Deno.test("a write is done when the message is accepted", async () => {
  const accept = Promise.withResolvers<void>();
  const sent: Message[] = [];
  const writer = open({
    async send(message) {
      sent.push(message);
      await accept.promise;
    },
  }).stream.getWriter();
  let isWritten = false;
  const writing = writer.write("a").then(() => isWritten = true);
  const second = writer.write("b");
  await turn();
  assertEquals([sent, isWritten, writer.desiredSize], [["a"], false, -1]);
  accept.resolve();
  await Promise.all([writing, second]);
  assertEquals(sent, ["a", "b"]);
});

Deno.test("closing the writable waits for the flush, and the next stream is a new one", async () => {
  const flushed = Promise.withResolvers<boolean>();
  const side = open({ flush: () => flushed.promise });
  const { stream } = side;
  const writer = stream.getWriter();
  let isClosed = false;
  const closing = writer.close().then(() => isClosed = true);
  await turn();
  assertEquals(isClosed, false);
  assertStrictEquals(side.stream, stream);
  flushed.resolve(true);
  await closing;
  await side.stream.getWriter().write("again");
});

Deno.test("closing the writable fails when the flush fails", async () => {
  const writer = open({ flush: () => Promise.reject(BROKEN) })
    .stream.getWriter();
  assertStrictEquals(await assertRejects(() => writer.close()), BROKEN);
});

Deno.test("an abort settles while the queue is full, and the message is not sent", async () => {
  const queue = new FullQueue();
  const side = open(queue);
  const writer = side.stream.getWriter();
  const accepted = writer.write("accepted");
  queue.room = 1;
  queue.admit();
  await accepted;
  const written = assertRejects(() => writer.write("waiting"), Error, "enough");
  await turn();
  await writer.abort(new Error("enough"));
  await written;
  queue.room = 9;
  queue.admit();
  assertEquals(queue.accepted, ["accepted"]);
  const again = side.stream.getWriter().write("again");
  queue.admit();
  await again;
  assertEquals(queue.accepted, ["accepted", "again"]);
});

Deno.test("an abort takes back no accepted message", async () => {
  const signals: AbortSignal[] = [];
  const writer = open({
    send(_, { signal }) {
      signals.push(signal);
      return Promise.resolve();
    },
  }).stream.getWriter();
  await writer.write("a");
  await writer.write("b");
  await writer.abort();
  assertEquals(signals.map(({ aborted }) => aborted), [false, false]);
});

Deno.test("after an abort of an idle stream there is a new one", async () => {
  const side = open({});
  const { stream } = side;
  await stream.abort();
  assertNotStrictEquals(side.stream, stream);
  await side.stream.getWriter().write("again");
});

Deno.test("an abort does not wait for a flush", async () => {
  const never = new Promise<boolean>(() => {});
  const closing = open({ flush: () => never }).stream.getWriter();
  const closed = assertRejects(() => closing.close(), Error, "enough");
  await turn();
  // An abort during the close fails with it; it does not hang.
  await assertRejects(() => closing.abort(new Error("enough")), Error);
  await closed;
  const refusing = open({ flush: () => never, send: refuse("QUEUE_FULL") })
    .stream.getWriter();
  const written = assertRejects(() => refusing.write("a"), Error, "enough");
  await turn();
  await refusing.abort(new Error("enough"));
  await written;
});

Deno.test("a message refused by a full queue is offered again when there is room", async () => {
  const flushed = Promise.withResolvers<boolean>();
  const sent: Message[] = [];
  let isFull = true;
  let offers = 0;
  const side = open({
    flush: () => flushed.promise,
    async send(message, options) {
      offers++;
      if (isFull) await refuse("QUEUE_FULL")(message, options);
      sent.push(message);
    },
  });
  const writer = side.stream.getWriter();
  const writes = [writer.write("a"), writer.write("b")];
  for (let i = 0; i < 10; i++) await turn();
  assertEquals([sent, offers], [[], 1]);
  isFull = false;
  flushed.resolve(true);
  await Promise.all(writes);
  assertEquals(sent, ["a", "b"]);
});

Deno.test("a refusal of one message alone is reported, and the stream goes on", async () => {
  for (const code of ["TOO_LARGE", "SPOOL"] as const) {
    const errors: WSErrorCode[] = [];
    const sent: Message[] = [];
    const writer = open({
      onError: (error) => errors.push(error.code),
      async send(message, options) {
        if (message === "bad") await refuse(code)(message, options);
        sent.push(message);
      },
    }).stream.getWriter();
    for (const message of ["a", "bad", "b"]) await writer.write(message);
    assertEquals([sent, errors], [["a", "b"], [code]]);
  }
});

Deno.test("a refusal that ended the client errors the stream", async () => {
  const error = new WSError("locked", { code: "SPOOL", severity: "fatal" });
  const writer = open({ send: () => Promise.reject(error) })
    .stream.getWriter();
  assertStrictEquals(await assertRejects(() => writer.write("a")), error);
});

Deno.test("a chunk that is not a message errors the stream, and the next one is new", async () => {
  const sent: Message[] = [];
  const side = open({
    send(message) {
      if (typeof message !== "string") throw new TypeError("no message");
      sent.push(message);
      return Promise.resolve();
    },
  });
  const { stream } = side;
  const writer = stream.getWriter();
  // The types forbid it; programs without types write it.
  await assertRejects(() => writer.write(5 as unknown as string), TypeError);
  await assertRejects(() => writer.write("late"), TypeError);
  assertNotStrictEquals(side.stream, stream);
  await side.stream.getWriter().write("again");
  assertEquals(sent, ["again"]);
});

Deno.test("the end of the client errors the stream, a waiting write and later streams", async () => {
  const queue = new FullQueue();
  const side = open(queue);
  const writer = side.stream.getWriter();
  const written = assertRejects(() => writer.write("waiting"), WSError);
  await turn();
  side.end(BROKEN);
  queue.end(BROKEN);
  assertStrictEquals(await assertRejects(() => writer.closed), BROKEN);
  assertStrictEquals(await written, BROKEN);
  const late = side.stream.getWriter();
  assertStrictEquals(await assertRejects(() => late.closed), BROKEN);
});

Deno.test("the end of the client settles writer.closed of an idle writer", async () => {
  const side = open({});
  const writer = side.stream.getWriter();
  side.end(BROKEN);
  assertStrictEquals(await assertRejects(() => writer.closed), BROKEN);
});

// Support ------------------------------------------------------------------------

function makeBuffer(
  overflow: "drop-newest" | "pause" = "drop-newest",
): ReadBuffer {
  const bounds = { maxSize: 100, maxBytes: 1_000_000, overflow };
  return new ReadBuffer("reader", bounds, {
    onFull() {},
    onDrained() {},
    onDropped() {},
    onError() {},
    onEnd() {},
    now: () => 0,
  });
}

function open(parts: Partial<Sink>): WritableSide {
  return new WritableSide({
    send: parts.send?.bind(parts) ?? (() => Promise.resolve()),
    flush: parts.flush?.bind(parts) ?? (() => Promise.resolve(true)),
    onError: parts.onError?.bind(parts) ?? (() => {}),
  });
}

function refuse(code: WSErrorCode): Sink["send"] {
  const error = new WSError(code, { code, severity: "transient" });
  return () => Promise.reject(error);
}

/** A queue whose senders wait for room, as with `overflow: "wait"`. */
class FullQueue implements Partial<Sink> {
  room = 0;
  readonly accepted: Message[] = [];
  readonly #waiting = new Map<PromiseWithResolvers<void>, Message>();

  send(message: Message, { signal }: { signal: AbortSignal }): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    this.#waiting.set(waiting, message);
    signal.addEventListener("abort", () => {
      if (!this.#waiting.delete(waiting)) return;
      waiting.reject(
        new WSError("aborted", { code: "ABORTED", severity: "transient" }),
      );
    });
    if (this.room > 0) this.admit();
    return waiting.promise;
  }

  admit(): void {
    for (const [waiting, message] of this.#waiting) {
      if (this.room-- <= 0) return;
      this.#waiting.delete(waiting);
      this.accepted.push(message);
      waiting.resolve();
    }
  }

  end(error: WSError): void {
    for (const [waiting] of this.#waiting) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** Everything that is due now has run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

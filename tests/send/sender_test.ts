import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import type { Redelivery } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import type { Sender } from "../../src/send/sender.ts";
import { FakeSocket } from "./fake_socket.ts";
import { setUp, STOPPED } from "./set_up.ts";

const BY_TEXT: Redelivery = { id: String, acknowledged: String };

Deno.test("what is sent before there is a connection goes out when there is one", async () => {
  const { sender } = setUp({});
  await sender.send("a");
  await sender.send("b");
  assertEquals([sender.stats.queued, sender.stats.queuedBytes], [2, 2]);
  const sink = new FakeSocket();
  sender.attach(sink);
  assertEquals(sink.texts, ["a", "b"]);
  assertEquals([
    sender.stats.queued,
    sender.stats.messagesSent,
    sender.stats.bytesSent,
  ], [
    0,
    2,
    2,
  ]);
  sender.end(STOPPED);
});

Deno.test("with a connection and room a message goes straight to the socket", () => {
  const { sender } = setUp({});
  const sink = new FakeSocket();
  sender.attach(sink);
  assertEquals(sender.trySend("a"), true);
  assertEquals(sender.trySend(new Uint8Array([98])), true);
  assertEquals(sink.texts, ["a", "b"]);
  sender.end(STOPPED);
});

Deno.test("a message that waits behind an expired one goes out when the connection comes", async () => {
  let now = 0;
  const clock = { monotonic: () => now, wall: () => now };
  const { sender, dropped } = setUp({ sendQueueMaxSize: 1 }, { clock });
  sender.trySend("old", { ttl: 30 });
  const accepted = sender.send("new");
  // The event loop is late: no timer has fired yet.
  now = 60;
  const sink = new FakeSocket();
  sender.attach(sink);
  await accepted;
  assertEquals([sink.texts, sender.stats.queued], [["new"], 0]);
  assertEquals(dropped, ["expired old"]);
  sender.end(STOPPED);
});

Deno.test("the end of a connection brings back what it did not deliver, before what came later", () => {
  const { sender } = setUp({});
  const sink = new FakeSocket();
  sender.attach(sink);
  for (const text of ["a", "b", "c"]) sender.trySend(text);
  sink.drain(1);
  sender.detach({ flushed: false });
  sender.trySend("d");
  const next = new FakeSocket();
  sender.attach(next);
  assertEquals(next.texts, ["b", "c", "d"]);
  assertEquals([sender.stats.redelivered, sender.stats.messagesSent], [2, 6]);
  sender.end(STOPPED);
});

Deno.test("bytes that are in flight twice are not what the sender made of them later", () => {
  const { sender } = setUp({});
  const bytes = new Uint8Array([65]);
  sender.attach(new FakeSocket());
  sender.trySend(bytes);
  bytes.fill(66);
  sender.detach({ flushed: false });
  const next = new FakeSocket();
  sender.attach(next);
  assertEquals(next.texts, ["A"]);
  sender.end(STOPPED);
});

Deno.test("between pause and detach nothing is handed over, and all is kept", () => {
  const { sender } = setUp({});
  const sink = new FakeSocket();
  sender.attach(sink);
  sender.trySend("a");
  sender.pause();
  sender.trySend("b");
  sink.isOpen = false;
  sender.detach({ flushed: true });
  assertEquals([sink.texts, sender.stats.queued], [["a"], 1]);
  sender.end(STOPPED);
});

Deno.test("flush settles when all before it is on the network, whatever comes later", async () => {
  const { sender, turns } = setUp({});
  const sink = new FakeSocket();
  sender.attach(sink);
  assertEquals(await sender.flush(), true);
  sender.trySend("a");
  const flush = sender.flush();
  sender.trySend("b");
  sink.drain(1);
  turns.pass();
  assertEquals(await flush, true);
  sender.end(STOPPED);
});

Deno.test("flush goes on over a new connection, until its time is over", async () => {
  using time = new FakeTime();
  const { sender, turns } = setUp({});
  sender.attach(new FakeSocket());
  sender.trySend("a");
  const [long, short] = [sender.flush(), sender.flush(100)];
  sender.detach({ flushed: false });
  await time.tickAsync(100);
  assertEquals(await short, false);
  const next = new FakeSocket();
  sender.attach(next);
  next.drain();
  turns.pass();
  assertEquals(await long, true);
  sender.end(STOPPED);
});

Deno.test("flush is false when a message that it waits for is dropped, and true when a newer one takes its place", async () => {
  let now = 0;
  const clock = { monotonic: () => now, wall: () => now };
  const abort = new AbortController();
  const drops: Record<string, (sender: Sender) => unknown> = {
    expired: (sender) => {
      now = 100;
      sender.release({});
    },
    aborted: () => abort.abort(),
    cleared: (sender) => sender.clearQueue(),
    overflow: (sender) => sender.trySend("newest"),
    replaced: (sender) => sender.trySend("newer", { key: "k" }),
  };
  for (const [reason, drop] of Object.entries(drops)) {
    now = 0;
    const { sender, turns, dropped } = setUp({
      overflow: "drop-oldest",
      sendQueueMaxSize: 1,
    }, { clock });
    const { signal } = reason === "aborted" ? abort : new AbortController();
    sender.trySend("old", { ttl: 100, key: "k", signal });
    const flushed = sender.flush();
    drop(sender);
    const later = sender.flush();
    const socket = new FakeSocket();
    sender.attach(socket);
    socket.drain();
    turns.pass();
    assertEquals(dropped, [`${reason} old`]);
    assertEquals(await flushed, reason === "replaced", reason);
    // The message was dropped before this call.
    assertEquals(await later, true, reason);
    sender.end(STOPPED);
  }
});

Deno.test("flush is true when a message that the queue never took is dropped meanwhile", async () => {
  const { sender, turns, dropped } = setUp({
    overflow: "drop-newest",
    sendQueueMaxSize: 1,
  });
  sender.trySend("a");
  const flushed = sender.flush();
  await sender.send("b");
  const socket = new FakeSocket();
  sender.attach(socket);
  socket.drain();
  turns.pass();
  assertEquals([await flushed, dropped], [true, ["overflow b"]]);
  sender.end(STOPPED);
});

Deno.test("with acknowledgements flush waits for them", async () => {
  const { sender, turns } = setUp({ redeliver: BY_TEXT });
  const sink = new FakeSocket();
  sender.attach(sink);
  sender.trySend("a");
  let flushed = false;
  const flush = sender.flush().then(() => flushed = true);
  sink.drain();
  turns.pass();
  await Promise.resolve();
  assertEquals([flushed, sender.stats.unacknowledged], [false, 1]);
  sender.acknowledge("a");
  await flush;
  assertEquals(sender.stats.unacknowledged, 0);
  sender.end(STOPPED);
});

Deno.test("unacknowledged messages take up room in the queue", async () => {
  const { sender } = setUp({ redeliver: BY_TEXT, sendQueueMaxSize: 2 });
  sender.attach(new FakeSocket());
  await sender.send("a");
  await sender.send("b");
  assertEquals(sender.trySend("c"), false);
  const waiting = sender.send("c");
  sender.acknowledge("a");
  await waiting;
  assertEquals(sender.stats.unacknowledged, 2);
  sender.end(STOPPED);
});

Deno.test("what may not wait is refused: a flush too", async () => {
  const refusal = new WSError("inside the hook", {
    code: "QUEUE_FULL",
    severity: "transient",
  });
  const { sender } = setUp({ sendQueueMaxSize: 1 }, {
    refuseToWait: () => refusal,
  });
  assertEquals(await sender.flush(), true, "there is nothing to wait for");
  await sender.send("a");
  assertStrictEquals(await assertRejects(() => sender.flush()), refusal);
  assertStrictEquals(await assertRejects(() => sender.send("b")), refusal);
  sender.end(STOPPED);
});

Deno.test("drain settles when nothing is left, or when its time is over", async () => {
  using time = new FakeTime();
  const { sender, turns } = setUp({ sendQueueMaxSize: 1 });
  await sender.drain(60_000);
  await sender.send("a");
  const waiting = sender.send("b");
  const [short, long] = [sender.drain(100), sender.drain(60_000)];
  await time.tickAsync(100);
  await short;
  const sink = new FakeSocket();
  sender.attach(sink);
  sink.drain();
  turns.pass();
  await waiting;
  await long;
  assertEquals(sink.texts, ["a", "b"]);
  sender.end(STOPPED);
});

Deno.test("the end settles every waiter with its error, and counts what is left", async () => {
  const { sender } = setUp({ sendQueueMaxSize: 2 });
  const sink = new FakeSocket();
  sender.attach(sink);
  await sender.send("aaa");
  sender.detach({ flushed: false });
  await sender.send("b");
  const waiting = [sender.send("c"), sender.flush(60_000), sender.flush()];
  const drained = sender.drain(60_000);
  assertEquals(sender.end(STOPPED), { unsent: 2, unsentBytes: 4 });
  for (const promise of waiting) {
    assertStrictEquals(await assertRejects(() => promise), STOPPED);
  }
  await drained;
  for (const after of [() => sender.send("d"), () => sender.flush()]) {
    assertStrictEquals(await assertRejects(after), STOPPED);
  }
  assertEquals(sender.trySend("d"), false);
  assertEquals(sender.end(STOPPED), { unsent: 2, unsentBytes: 4 });
  const late = new FakeSocket();
  sender.attach(late);
  assertEquals(late.sent, []);
});

Deno.test("sent at most once, what a connection took along is told by flush and by the end", async () => {
  const { sender } = setUp({ redeliver: "none" });
  sender.attach(new FakeSocket());
  sender.trySend("aa");
  const flush = sender.flush();
  sender.detach({ flushed: false });
  assertEquals(await flush, false);
  assertEquals(sender.end(STOPPED), { unsent: 1, unsentBytes: 2 });
});

Deno.test("urgent messages go out ahead of the queue, and only while there is a connection", () => {
  const { sender } = setUp({});
  assertEquals(sender.sendUrgent("!"), false);
  const sink = new FakeSocket();
  sender.attach(sink);
  for (let i = 0; i < 300; i++) sender.trySend("x".repeat(1000));
  assertEquals(sender.sendUrgent("!"), true);
  assertEquals(sink.texts.at(-1), "!");
  assertEquals(sender.stats.queued > 0, true);
  sender.end(STOPPED);
});

Deno.test("drops are reported and counted", async () => {
  const { sender, dropped } = setUp({
    sendQueueMaxSize: 1,
    overflow: "drop-oldest",
  });
  await sender.send("a");
  await sender.send("b");
  await sender.send("c", { key: "k" });
  await sender.send("d", { key: "k" });
  assertEquals(dropped, ["overflow a", "overflow b", "replaced c"]);
  assertEquals(sender.stats.dropped, 3);
  sender.end(STOPPED);
});

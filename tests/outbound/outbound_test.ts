import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import type { Redelivery } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import {
  Outbound,
  type OutboundHooks,
  type OutboundOptions,
} from "../../src/outbound/outbound.ts";
import { FakeSink, ManualWaits } from "../support/fake_sink.ts";
import { TempFile } from "../support/temp_file.ts";

const STOPPED = new WSError("stopped", { code: "STOPPED", severity: "fatal" });
const BY_TEXT: Redelivery = { id: String, acknowledged: String };

Deno.test("what is sent before there is a link goes out when there is one", async () => {
  const { out } = setUp({});
  await out.send("a");
  await out.send("b");
  assertEquals([out.queued, out.queuedBytes], [2, 2]);
  const sink = new FakeSink();
  out.attach(sink);
  assertEquals(sink.texts, ["a", "b"]);
  assertEquals([out.queued, out.messagesSent, out.bytesSent], [0, 2, 2]);
  out.end(STOPPED);
});

Deno.test("with a link and room a message goes straight to the socket", () => {
  const { out } = setUp({});
  const sink = new FakeSink();
  out.attach(sink);
  assertEquals(out.trySend("a"), true);
  assertEquals(out.trySend(new Uint8Array([98])), true);
  assertEquals(sink.texts, ["a", "b"]);
  out.end(STOPPED);
});

Deno.test("who waits behind what has expired goes out when the link comes", async () => {
  let now = 0;
  const { out, dropped } = setUp({ sendQueueMaxSize: 1 }, { now: () => now });
  out.trySend("old", { ttl: 30 });
  const accepted = out.send("new");
  // The event loop is late: no timer has fired yet.
  now = 60;
  const sink = new FakeSink();
  out.attach(sink);
  await accepted;
  assertEquals([sink.texts, out.queued], [["new"], 0]);
  assertEquals(dropped, ["expired old"]);
  out.end(STOPPED);
});

Deno.test("a link's end brings back what it did not deliver, before what came later", () => {
  const { out } = setUp({});
  const sink = new FakeSink();
  out.attach(sink);
  for (const text of ["a", "b", "c"]) out.trySend(text);
  sink.drain(1);
  out.detach();
  out.trySend("d");
  const next = new FakeSink();
  out.attach(next);
  assertEquals(next.texts, ["b", "c", "d"]);
  assertEquals([out.redelivered, out.messagesSent], [2, 6]);
  out.end(STOPPED);
});

Deno.test("bytes that are in flight twice are not what the sender made of them later", () => {
  const { out } = setUp({});
  const bytes = new Uint8Array([65]);
  out.attach(new FakeSink());
  out.trySend(bytes);
  bytes.fill(66);
  out.detach();
  const next = new FakeSink();
  out.attach(next);
  assertEquals(next.texts, ["A"]);
  out.end(STOPPED);
});

Deno.test("between pause and detach nothing is handed over, and all is kept", () => {
  const { out } = setUp({});
  const sink = new FakeSink();
  out.attach(sink);
  out.trySend("a");
  out.pause();
  out.trySend("b");
  sink.isOpen = false;
  out.detach(true);
  assertEquals([sink.texts, out.queued], [["a"], 1]);
  out.end(STOPPED);
});

Deno.test("flush settles when all before it is on the network, whatever comes later", async () => {
  const { out, waits } = setUp({});
  const sink = new FakeSink();
  out.attach(sink);
  assertEquals(await out.flush(), true);
  out.trySend("a");
  const flush = out.flush();
  out.trySend("b");
  sink.drain(1);
  waits.pass();
  assertEquals(await flush, true);
  out.end(STOPPED);
});

Deno.test("flush goes on over a new link, until its time is over", async () => {
  using time = new FakeTime();
  const { out, waits } = setUp({});
  out.attach(new FakeSink());
  out.trySend("a");
  const [long, short] = [out.flush(), out.flush(100)];
  out.detach();
  await time.tickAsync(100);
  assertEquals(await short, false);
  const next = new FakeSink();
  out.attach(next);
  next.drain();
  waits.pass();
  assertEquals(await long, true);
  out.end(STOPPED);
});

Deno.test("with acknowledgements flush waits for them", async () => {
  const { out, waits } = setUp({ redeliver: BY_TEXT });
  const sink = new FakeSink();
  out.attach(sink);
  out.trySend("a");
  let flushed = false;
  const flush = out.flush().then(() => flushed = true);
  sink.drain();
  waits.pass();
  await Promise.resolve();
  assertEquals([flushed, out.unacknowledged], [false, 1]);
  out.acknowledge("a");
  await flush;
  assertEquals(out.unacknowledged, 0);
  out.end(STOPPED);
});

Deno.test("unacknowledged messages take up room in the queue", async () => {
  const { out } = setUp({ redeliver: BY_TEXT, sendQueueMaxSize: 2 });
  out.attach(new FakeSink());
  await out.send("a");
  await out.send("b");
  assertEquals(out.trySend("c"), false);
  const waiting = out.send("c");
  out.acknowledge("a");
  await waiting;
  assertEquals(out.unacknowledged, 2);
  out.end(STOPPED);
});

Deno.test("what may not wait is refused: a flush too", async () => {
  const refusal = new WSError("inside the gate", {
    code: "QUEUE_FULL",
    severity: "transient",
  });
  const { out } = setUp({ sendQueueMaxSize: 1 }, { mayWait: () => refusal });
  assertEquals(await out.flush(), true, "there is nothing to wait for");
  await out.send("a");
  assertStrictEquals(await assertRejects(() => out.flush()), refusal);
  assertStrictEquals(await assertRejects(() => out.send("b")), refusal);
  out.end(STOPPED);
});

Deno.test("drain settles when nothing is left, or when its time is over", async () => {
  using time = new FakeTime();
  const { out, waits } = setUp({ sendQueueMaxSize: 1 });
  await out.drain(60_000);
  await out.send("a");
  const waiting = out.send("b");
  const [short, long] = [out.drain(100), out.drain(60_000)];
  await time.tickAsync(100);
  await short;
  const sink = new FakeSink();
  out.attach(sink);
  sink.drain();
  waits.pass();
  await waiting;
  await long;
  assertEquals(sink.texts, ["a", "b"]);
  out.end(STOPPED);
});

Deno.test("the end settles every waiter with its error, and counts what is left", async () => {
  const { out } = setUp({ sendQueueMaxSize: 2 });
  const sink = new FakeSink();
  out.attach(sink);
  await out.send("aaa");
  out.detach();
  await out.send("b");
  const waiting = [out.send("c"), out.flush(60_000), out.flush()];
  const drained = out.drain(60_000);
  assertEquals(out.end(STOPPED), { unsent: 2, unsentBytes: 4 });
  for (const promise of waiting) {
    assertStrictEquals(await assertRejects(() => promise), STOPPED);
  }
  await drained;
  for (const after of [() => out.send("d"), () => out.flush()]) {
    assertStrictEquals(await assertRejects(after), STOPPED);
  }
  assertEquals(out.trySend("d"), false);
  assertEquals(out.end(STOPPED), { unsent: 2, unsentBytes: 4 });
  const late = new FakeSink();
  out.attach(late);
  assertEquals(late.sent, []);
});

Deno.test("sent at most once, what a link took along is told by flush and by the end", async () => {
  const { out } = setUp({ redeliver: "none" });
  out.attach(new FakeSink());
  out.trySend("aa");
  const flush = out.flush();
  out.detach();
  assertEquals(await flush, false);
  assertEquals(out.end(STOPPED), { unsent: 1, unsentBytes: 2 });
});

Deno.test("urgent messages go out ahead of the queue, and only while there is a link", () => {
  const { out } = setUp({});
  assertEquals(out.sendUrgent("!"), false);
  const sink = new FakeSink();
  out.attach(sink);
  for (let i = 0; i < 300; i++) out.trySend("x".repeat(1000));
  assertEquals(out.sendUrgent("!"), true);
  assertEquals(sink.texts.at(-1), "!");
  assertEquals(out.queued > 0, true);
  out.end(STOPPED);
});

Deno.test("drops are reported and counted", async () => {
  const { out, dropped } = setUp({
    sendQueueMaxSize: 1,
    overflow: "drop-oldest",
  });
  await out.send("a");
  await out.send("b");
  await out.send("c", { key: "k" });
  await out.send("d", { key: "k" });
  assertEquals(dropped, ["overflow a", "overflow b", "replaced c"]);
  assertEquals(out.dropped, 3);
  out.end(STOPPED);
});

Deno.test("with a spool what is accepted outlives the process, and comes first", async () => {
  using file = new TempFile();
  const first = setUp({ spool: file.path }).out;
  const early = first.send("early");
  assertEquals(first.trySend("too early"), false);
  await first.open();
  await early;
  await first.send(new Uint8Array([98]), { key: "k" });
  await first.send("c", { key: "k" });
  first.trySend("d");
  assertEquals(first.queued, 3);
  assertEquals(first.end(STOPPED), { unsent: 3, unsentBytes: 7 });

  const { out, waits } = setUp({ spool: file.path });
  const newer = out.send("newer");
  await out.open();
  await newer;
  const sink = new FakeSink();
  out.attach(sink);
  assertEquals(sink.texts, ["early", "c", "d", "newer"]);
  sink.drain(3);
  waits.pass();
  out.end(STOPPED);
  const last = setUp({ spool: file.path }).out;
  await last.open();
  assertEquals([last.queued, last.queuedBytes], [1, 5]);
  last.end(STOPPED);
});

Deno.test("with a spool flush waits for what is not on the disk yet", async () => {
  using file = new TempFile();
  const { out, waits } = setUp({ spool: file.path });
  await out.open();
  const sink = new FakeSink();
  out.attach(sink);
  out.trySend("a");
  const flush = out.flush();
  assertEquals(sink.texts, ["a"]);
  sink.drain();
  waits.pass();
  assertEquals(await flush, true);
  out.end(STOPPED);
});

Deno.test("with a spool, too, the end settles who waits for room", async () => {
  using file = new TempFile();
  const { out, dropped } = setUp({ spool: file.path, sendQueueMaxSize: 1 });
  await out.open();
  const controller = new AbortController();
  const accepted = out.send("a", { signal: controller.signal });
  const waiting = out.send("b");
  controller.abort();
  assertEquals(out.end(STOPPED), { unsent: 0, unsentBytes: 0 });
  await accepted;
  assertEquals(dropped, ["aborted a"]);
  assertStrictEquals(await assertRejects(() => waiting), STOPPED);
});

Deno.test("sent at most once, a message is off the disk before it is on the network", async () => {
  using file = new TempFile();
  const { out } = setUp({ spool: file.path, redeliver: "none" });
  await out.open();
  await out.send("a");
  out.attach(new FakeSink());
  await out.send("b");
  // As a crash would leave it.
  const copy = `${file.folder}/copy`;
  for (const ending of ["", "-wal"]) {
    Deno.copyFileSync(file.path + ending, copy + ending);
  }
  out.end(STOPPED);
  const next = setUp({ spool: copy, redeliver: "none" }).out;
  await next.open();
  assertEquals(next.queued, 0);
  next.end(STOPPED);
});

Deno.test("with a spool and acknowledgements a message stays until it is acknowledged", async () => {
  using file = new TempFile();
  const options = { spool: file.path, redeliver: BY_TEXT };
  const { out, waits } = setUp(options);
  await out.open();
  const sink = new FakeSink();
  out.attach(sink);
  for (const text of ["a", "b"]) await out.send(text);
  sink.drain();
  waits.pass();
  out.acknowledge("a");
  assertEquals(out.end(STOPPED), { unsent: 1, unsentBytes: 1 });
  const next = setUp(options).out;
  await next.open();
  const link = new FakeSink();
  next.attach(link);
  next.acknowledge("b");
  assertEquals(link.texts, ["b"]);
  assertEquals(next.end(STOPPED), { unsent: 0, unsentBytes: 0 });
});

Deno.test("what expired while nobody was there is not sent", async () => {
  using file = new TempFile();
  let now = 1_000;
  const hooks = { now: () => now };
  const first = setUp({ spool: file.path }, hooks).out;
  await first.open();
  await first.send("a", { ttl: 100 });
  await first.send("b", { ttl: 200 });
  first.end(STOPPED);
  now += 150;
  const { out, dropped } = setUp({ spool: file.path }, hooks);
  await out.open();
  const sink = new FakeSink();
  out.attach(sink);
  assertEquals([sink.texts, dropped], [["b"], ["expired a"]]);
  out.end(STOPPED);
});

Deno.test("what was in the spool keeps its key", async () => {
  using file = new TempFile();
  const first = setUp({ spool: file.path }).out;
  await first.open();
  await first.send("a", { key: "k" });
  await first.send("b");
  first.end(STOPPED);
  const { out, dropped } = setUp({ spool: file.path });
  await out.open();
  await out.send("A", { key: "k" });
  const sink = new FakeSink();
  out.attach(sink);
  assertEquals([sink.texts, dropped], [["A", "b"], ["replaced a"]]);
  out.end(STOPPED);
});

Deno.test("a spool that cannot be opened is a fatal error, and who waits hears of it", async () => {
  using file = new TempFile();
  const { out } = setUp({ spool: `${file.folder}/nowhere/queue` });
  const waiting = out.send("a");
  const error = await assertRejects(() => out.open(), WSError);
  assertEquals([error.code, error.severity], ["SPOOL", "fatal"]);
  out.end(error);
  assertStrictEquals(await assertRejects(() => waiting), error);
});

Deno.test({
  name:
    "when the disk is full the sender is told, and all that was accepted is sent",
  ignore: !await hasPrlimit(),
  async fn() {
    using file = new TempFile();
    const script = new URL("../support/full_disk.ts", import.meta.url);
    const run = [Deno.execPath(), "run", "--quiet", "--no-code-cache"];
    // No file may be larger; ignored, the signal becomes an error of the write.
    const child = new Deno.Command("sh", {
      args: [
        "-c",
        `trap '' XFSZ; exec prlimit --fsize=1000000: "$@"`,
        "sh",
        ...[...run, "--allow-all", script.pathname, file.path],
      ],
      stdin: "piped",
      stdout: "piped",
      signal: AbortSignal.timeout(20_000),
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const [accepted, code, severity, queued] =
      (await lines.read()).value?.trim().split(" ") ?? [];
    assertEquals([code, severity, queued], ["SPOOL", "transient", accepted]);
    const { success } = await new Deno.Command("prlimit", {
      args: ["--pid", `${child.pid}`, "--fsize=unlimited"],
    }).output();
    assertEquals(success, true);
    await child.stdin.close();
    const sent = (await lines.read()).value?.trim().split(",").map(Number);
    assertEquals(
      sent,
      Array.from({ length: Number(accepted) + 1 }, (_, i) => i),
    );
    await lines.cancel();
    await child.status;
  },
});

/** A tool of Linux that limits the size of files. */
async function hasPrlimit(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("prlimit", {
      args: ["--version"],
    }).output();
    return success;
  } catch {
    console.log("There is no prlimit here: the test of a full disk is skipped");
    return false;
  }
}

Deno.test("nothing that waits on the way out keeps the process alive", async () => {
  using file = new TempFile();
  const script = new URL("../support/idle_outbound.ts", import.meta.url);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script.pathname, file.path],
    stderr: "inherit",
    signal: AbortSignal.timeout(30_000),
  }).output();
  assertEquals([success, new TextDecoder().decode(stdout)], [true, "idle\n"]);
});

function setUp(
  options: Partial<OutboundOptions>,
  hooks: Partial<OutboundHooks> = {},
) {
  const dropped: string[] = [];
  const waits = new ManualWaits();
  const out = new Outbound({
    sendQueueMaxSize: 1000,
    sendQueueMaxBytes: 16 * 1024 * 1024,
    overflow: "wait",
    redeliver: "unflushed",
    ...options,
  }, {
    onDrop: (data, reason) => dropped.push(`${reason} ${data}`),
    onError: (error) => {
      throw error;
    },
    mayWait: () => undefined,
    waits,
    ...hooks,
  });
  return { out, waits, dropped };
}

/** The spool, on real files. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { basename } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { WSError } from "../../src/errors.ts";
import { connect } from "../../mod.ts";
import type { Message } from "../../src/message.ts";
import type { SendConfig, Sender } from "../../src/send/sender.ts";
import { nextTurn } from "../../src/turns.ts";
import { serve } from "../../src/server/server.ts";
import { TempFile } from "../support/temp_file.ts";
import { FakeSocket, TCP } from "./fake_socket.ts";
import { outcome, setUp, STOPPED } from "./set_up.ts";

const BY_TEXT = { id: String, acknowledged: String };
const seed = Number(Deno.env.get("MODEL_SEED") ?? Date.now() % 2 ** 31);

Deno.test("with a spool what is accepted outlives the process, and comes first", async () => {
  using file = new TempFile();
  const { sender: first } = spooled(file);
  const early = first.send("early");
  await first.open();
  await early;
  await first.send(new Uint8Array([98]), { key: "k" });
  await first.send("c", { key: "k" });
  first.trySend("d");
  assertEquals(first.stats.queued, 3);
  assertEquals(first.end(STOPPED), { unsent: 3, unsentBytes: 7 });

  const { sender } = spooled(file);
  const newer = sender.send("newer");
  await sender.open();
  await newer;
  const socket = new FakeSocket();
  sender.attach(socket);
  assertEquals(socket.texts, ["early", "c", "d", "newer"]);
  socket.drain(3);
  sender.end(STOPPED);
  assertEquals(await contents(file), ["newer"]);
});

Deno.test("every kind of message, and its key, comes back as it was", async () => {
  using file = new TempFile();
  const messages: Message[] = [
    "NUL \0 in the middle, \ufeff, ünïcödé 🎉",
    "\ufeffa byte order mark in front",
    "",
    new Uint8Array([0, 255, 0]),
    new Uint8Array(),
  ];
  const { sender } = await opened(file);
  for (const data of messages) await sender.send(data);
  await sender.send("old", { key: "a key, \0 and \ud800 in it" });
  sender.end(STOPPED);

  const { sender: next, dropped } = await opened(file);
  await next.send("new", { key: "a key, \0 and \ud800 in it" });
  const socket = new FakeSocket();
  next.attach(socket);
  assertEquals(socket.sent, [...messages, "new"]);
  assertEquals(dropped, ["replaced old"]);
  next.end(STOPPED);
});

Deno.test("the files of a spool can be read by their owner alone", async () => {
  using file = new TempFile();
  const { sender } = await opened(file);
  await sender.send("secret");
  for (const name of file.names()) {
    const { mode } = Deno.statSync(`${file.folder}/${name}`);
    assertEquals((mode ?? 0) & 0o777, 0o600, name);
  }
  assertEquals(file.names(), [
    "queue.spool",
    "queue.spool-reserve",
    "queue.spool-wal",
  ]);
  sender.end(STOPPED);
  assertEquals(file.names(), ["queue.spool"]);
});

Deno.test("a message that expires does so by the wall clock, over a restart", async () => {
  using file = new TempFile();
  let wall = 1_000_000;
  let monotonic = 500;
  const clock = { wall: () => wall, monotonic: () => monotonic };
  const { sender: first } = await opened(file, {}, { clock });
  await first.send("a", { ttl: 100 });
  await first.send("b", { ttl: 200 });
  // A clock that is set does not matter while the process lives.
  wall += 50;
  first.end(STOPPED);
  wall += 100;
  monotonic = 7;
  const { sender, dropped } = await opened(file, {}, { clock });
  const socket = new FakeSocket();
  sender.attach(socket);
  assertEquals([socket.texts, dropped], [["b"], ["expired a"]]);
  sender.end(STOPPED);
});

Deno.test("acknowledged before it is sent again, a restored message is not sent", async () => {
  using file = new TempFile();
  const { sender: first } = await opened(file, { redeliver: BY_TEXT });
  for (const text of ["a", "b", "c", "d"]) await first.send(text);
  first.end(STOPPED);
  const { sender, dropped } = await opened(file, { redeliver: BY_TEXT });
  sender.acknowledge("b");
  sender.acknowledge("d");
  const socket = new FakeSocket();
  sender.attach(socket);
  assertEquals([socket.texts, sender.stats.unacknowledged], [["a", "c"], 2]);
  sender.acknowledge("a");
  assertEquals(sender.end(STOPPED), { unsent: 1, unsentBytes: 1 });
  assertEquals(dropped, []);
  assertEquals(await contents(file), ["c"]);
});

Deno.test("a restored message that has no id any more is sent once, and awaits no acknowledgement", async () => {
  using file = new TempFile();
  const { sender: first } = await opened(file, { redeliver: BY_TEXT });
  await first.send("a");
  first.end(STOPPED);
  const id = (data: Message) => {
    if (data === "a") throw new Error("no id");
    return String(data);
  };
  const redeliver = { ...BY_TEXT, id };
  const { sender, errors } = await opened(file, {
    redeliver,
    sendQueueMaxSize: 1,
  });
  assertEquals(errors.map(({ code }) => code), ["CALLBACK"]);
  const waiting = sender.send("b");
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  assertEquals([socket.texts, sender.stats.unacknowledged], [["a"], 1]);
  const drained = sender.drain(60_000);
  assert(drained !== undefined);
  socket.drain();
  sender.onProgress();
  assertEquals(sender.stats.unacknowledged, 0);
  assertEquals(await outcome(drained), "pending");
  await waiting;
  sender.acknowledge("b");
  await drained;
  assertEquals(socket.texts, ["a", "b"]);
  sender.end(STOPPED);
  assertEquals(await contents(file), []);
});

Deno.test("sent at most once, a message is off the disk before a socket has it", async () => {
  using file = new TempFile();
  const { sender } = await opened(file, { redeliver: "none" });
  for (const text of ["a", "b"]) await sender.send(text);
  const seen: string[][] = [];
  const socket = new FakeSocket(undefined, () => seen.push(crashed(file)));
  sender.attach(socket);
  await sender.send("c");
  assertEquals(socket.texts, ["a", "b", "c"]);
  assertEquals(seen, [[], [], []]);
  sender.end(STOPPED);
});

Deno.test("what stays in the spool is counted at the end, and not reported as dropped", async () => {
  using file = new TempFile();
  const { sender, dropped } = await opened(file);
  await sender.send("a");
  const b = sender.send("b");
  sender.trySend("c");
  assertEquals(sender.end(STOPPED), { unsent: 3, unsentBytes: 3 });
  assertEquals([await outcome(b), sender.stats.queued], ["ok", 0]);
  assertEquals(dropped, []);
  assertEquals(await contents(file), ["a", "b", "c"]);
});

Deno.test("a spool that was never opened keeps nothing: everybody is told", async () => {
  using file = new TempFile();
  const { sender, dropped } = spooled(file);
  const a = sender.send("a");
  sender.trySend("b");
  sender.end(STOPPED);
  assertEquals([await outcome(a), dropped], ["STOPPED", ["ended b"]]);
  await sender.open();
  assertEquals(file.names(), []);
});

Deno.test("a sender that ends while its spool opens lets go of the file", async () => {
  using file = new TempFile();
  const { sender } = spooled(file);
  const opening = sender.open();
  sender.end(STOPPED);
  await opening;
  assertEquals(await contents(file), []);
});

Deno.test("of several that open a new spool at the same moment exactly one gets it", async () => {
  for (let round = 0; round < 10; round++) {
    using file = new TempFile();
    const senders = Array.from({ length: 3 }, () => spooled(file).sender);
    const results = await Promise.allSettled(senders.map((s) => s.open()));
    const errors = results.flatMap((result) =>
      result.status === "rejected" ? [String(result.reason.message)] : []
    );
    const text =
      `Cannot open the spool ${file.path}: another client has it open`;
    assertEquals(errors, [text, text]);
    for (const sender of senders) sender.end(STOPPED);
  }
});

Deno.test("a spool that another process lets go of after a moment is opened", async () => {
  using file = new TempFile();
  await leaveBehind(file, ["a"]);
  const other = new DatabaseSync(file.path);
  other.exec("BEGIN; SELECT * FROM message");
  const { sender } = spooled(file);
  const opening = sender.open();
  assertEquals(await outcome(opening), "pending");
  await new Promise((go) => setTimeout(go));
  other.close();
  await opening;
  assertEquals(sender.stats.queued, 1);
  sender.end(STOPPED);
});

Deno.test("a file that is not ours is refused, and left as it is", async () => {
  const makers: Record<string, (path: string) => void> = {
    "a text": (path) => Deno.writeTextFileSync(path, "my diary\n".repeat(999)),
    "a short text": (path) => Deno.writeTextFileSync(path, "x"),
    "another database": (path) => {
      const db = new DatabaseSync(path);
      db.exec("CREATE TABLE precious (data); PRAGMA user_version = 2");
      db.close();
    },
    "a later version": (path) => {
      const db = new DatabaseSync(path);
      db.exec("CREATE TABLE message (data)");
      db.exec("PRAGMA application_id = 0x77737370; PRAGMA user_version = 9");
      db.close();
    },
  };
  for (const [what, make] of Object.entries(makers)) {
    using file = new TempFile();
    make(file.path);
    const before = Deno.readFileSync(file.path);
    const { sender, errors } = spooled(file);
    const error = await assertRejects(() => sender.open(), WSError);
    assertEquals([error.code, error.severity], ["SPOOL", "fatal"], what);
    assertMatch(
      error.message,
      new RegExp(`^Cannot open the spool ${file.path}: (it is|another)`),
    );
    assertEquals([file.names(), errors], [["queue.spool"], []], what);
    assertEquals(Deno.readFileSync(file.path), before);
    sender.end(error);
  }
});

Deno.test("a spool that cannot be opened is a fatal error, which tells why, and waiting senders hear of it", async () => {
  using file = new TempFile();
  const path = `${file.folder}/nowhere/queue`;
  const { sender } = setUp({ spool: path });
  const waiting = sender.send("a");
  const error = await assertRejects(() => sender.open(), WSError);
  assertEquals([error.code, error.severity], ["SPOOL", "fatal"]);
  assertMatch(error.message, /nowhere\/queue: .*(No such file|not find)/i);
  sender.end(error);
  assertStrictEquals(await assertRejects(() => waiting), error);

  const { sender: other } = setUp({ spool: file.folder });
  const folder = await assertRejects(() => other.open(), WSError);
  assertEquals(folder.message.includes(file.folder), true);
  other.end(folder);
});

Deno.test("a failure that is no full disk does not give up the room that is reserved for one", async () => {
  using file = new TempFile();
  const { sender: first } = await opened(file, { sendQueueMaxSize: 5_000 });
  const texts = Array.from({ length: 5_000 }, (_, i) => `${i}`.padEnd(2_000));
  await Promise.all(texts.map((text) => first.send(text)));
  first.end(STOPPED);
  const { sender, errors } = await opened(file, { sendQueueMaxSize: 5_000 });
  // Behind the back of SQLite, which has few of the pages in memory.
  const bytes = Deno.readFileSync(file.path);
  Deno.writeFileSync(file.path, bytes.fill(0xee, 8_192));
  const released: (string | URL)[] = [];
  const { truncateSync } = Deno;
  Deno.truncateSync = (path, length) => {
    if (length === 0) released.push(path);
    truncateSync(path, length);
  };
  try {
    sender.clearQueue();
    while (errors.length === 0) await turn();
    sender.end(STOPPED);
    await sender.closed;
  } finally {
    Deno.truncateSync = truncateSync;
  }
  assertMatch(errors[0]?.message ?? "", /malformed/);
  assertEquals(released, []);
});

Deno.test("damage anywhere in the file is reported, and what can be read is kept", async () => {
  const damages: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.fill(65, 0, 2000),
    (bytes) => bytes.fill(0, 0, 100),
    (bytes) => bytes.subarray(0, 20_000),
    (bytes) => bytes.fill(0xee, 4096, 4200),
    (bytes) => bytes.fill(0xee, -4096),
    (bytes) => bytes.fill(0xee, 30_000, 30_010),
  ];
  for (const [index, damage] of damages.entries()) {
    using file = new TempFile();
    const { sender } = await opened(file);
    for (let i = 0; i < 50; i++) {
      await sender.send(`message ${i} `.padEnd(1000, "x"));
    }
    sender.end(STOPPED);
    const bytes = damage(Deno.readFileSync(file.path));
    Deno.writeFileSync(file.path, bytes);

    const { sender: next, errors } = await opened(file);
    await turn();
    const [error] = errors;
    assertEquals([error?.code, error?.severity], ["SPOOL", "transient"]);
    assertMatch(error?.message ?? "", /queue\.spool is damaged \(.*set aside/);
    const aside = file.names().filter((name) => /\.damaged-.*Z$/.test(name));
    assertEquals(aside.length, 1, aside.join());
    const kept = Deno.readFileSync(`${file.folder}/${aside[0]}`);
    assert(kept.every((byte, at) => byte === bytes[at]), `${index}`);
    assert(
      next.stats.queued >= (index === 2 ? 3 : 40),
      `${index}: ${next.stats.queued}`,
    );
    assertEquals((await outcome(next.send("goes on"))) !== "SPOOL", true);
    next.end(STOPPED);
    assertEquals(file.names().filter((n) => !n.includes("damaged")), [
      "queue.spool",
    ]);
  }
});

Deno.test("where there are no hard links a damaged spool is copied, and what can be read is kept", async () => {
  using file = new TempFile();
  await leaveDamaged(file, 1_000);
  const before = Deno.readFileSync(file.path);
  const { linkSync } = Deno;
  // As on FAT.
  Deno.linkSync = () => {
    throw new Deno.errors.PermissionDenied("Operation not permitted");
  };
  try {
    const { sender, errors } = await opened(file);
    await turn();
    assertEquals(errors.map(({ code }) => code), ["SPOOL"]);
    assert(sender.stats.queued > 900, `${sender.stats.queued} messages`);
    sender.end(STOPPED);
  } finally {
    Deno.linkSync = linkSync;
  }
  const [spool, aside = "", ...others] = file.names();
  assertEquals([spool, others], ["queue.spool", []]);
  assertEquals(Deno.readFileSync(`${file.folder}/${aside}`), before);
  const { mode } = Deno.statSync(`${file.folder}/${aside}`);
  assertEquals((mode ?? 0) & 0o777, 0o600);
});

Deno.test("while a large damaged spool is read the event loop goes on", async () => {
  using file = new TempFile();
  await leaveDamaged(file, 20_000);
  let isOpen = false;
  let turns = 0;
  const { sender } = spooled(file);
  const opening = sender.open().finally(() => isOpen = true);
  while (!isOpen) {
    await turn();
    if (file.names().some((name) => name.endsWith(".copy"))) turns++;
  }
  await opening;
  assert(turns > 5, `${turns} turns`);
  assert(sender.stats.queued > 19_000, `${sender.stats.queued} messages`);
  sender.end(STOPPED);
});

Deno.test("a damaged spool that cannot be read now is read the next time", async () => {
  using file = new TempFile();
  await leaveDamaged(file, 1_000);
  const before = Deno.readFileSync(file.path);
  const clock = { wall: () => 0, monotonic: () => 0 };
  const aside = `${file.path}.damaged-1970-01-01T00-00-00.000Z`;
  Deno.mkdirSync(`${aside}.copy`);
  const { sender: first } = spooled(file, {}, { clock });
  const error = await assertRejects(() => first.open(), WSError);
  assertMatch(error.message, /is damaged .* cannot be put into a new one/);
  first.end(error);
  assertEquals(file.names(), ["queue.spool", basename(aside)]);
  assertEquals(Deno.readFileSync(aside), before);

  const { sender } = await opened(file, {}, { clock });
  assert(sender.stats.queued > 900, `${sender.stats.queued} messages`);
  sender.end(STOPPED);
});

Deno.test("a process that is killed while it repairs a spool leaves nothing unread", async () => {
  using file = new TempFile();
  await leaveDamaged(file, 5_000);
  using killed = new TempFile();
  let isOpen = false;
  const { sender } = spooled(file);
  const opening = sender.open().finally(() => isOpen = true);
  // A slow machine has many moments: the last ones, and some that are evenly
  // spread over the others.
  let every = 1;
  for (let moment = 0; !isOpen; moment++) {
    await turn();
    const folder = `${killed.folder}/${moment}`;
    Deno.mkdirSync(folder);
    for (const name of file.names()) {
      Deno.copyFileSync(`${file.folder}/${name}`, `${folder}/${name}`);
    }
    const kept = [...Deno.readDirSync(killed.folder)];
    if (kept.length > 12) every *= 2;
    for (const { name } of kept) {
      if (Number(name) % every === 0 || Number(name) > moment - 4) continue;
      Deno.removeSync(`${killed.folder}/${name}`, { recursive: true });
    }
  }
  await opening;
  const { queued } = sender.stats;
  sender.end(STOPPED);
  assert(queued > 4_500, `${queued} messages`);
  const moments = [...Deno.readDirSync(killed.folder)];
  assert(moments.length > 3, `${moments.length} moments`);
  for (const { name } of moments) {
    const spool = `${killed.folder}/${name}/queue.spool`;
    const { sender: next } = await opened(file, { spool });
    assertEquals(next.stats.queued, queued, name);
    next.end(STOPPED);
  }
});

Deno.test("one flipped bit in the log loses nothing without a word", async () => {
  console.log(`MODEL_SEED=${seed}`);
  using original = new TempFile();
  const { sender } = await opened(original);
  const texts = Array.from(
    { length: 30 },
    (_, i) => `message ${String(i).padStart(3, "0")} `.padEnd(1500, "x"),
  );
  for (const text of texts) await sender.send(text);
  const whole = new Map(
    original.names().map((name) => [
      name,
      Deno.readFileSync(`${original.folder}/${name}`),
    ]),
  );
  sender.end(STOPPED);
  const size = whole.get("queue.spool-wal")?.length ?? 0;
  assert(size > 100_000);
  const bits = fc.oneof(fc.nat(size * 8 - 1), fc.nat(600));
  await fc.assert(
    fc.asyncProperty(bits, async (bit) => {
      using file = new TempFile();
      for (const [name, bytes] of whole) {
        const copy = bytes.slice();
        if (name.endsWith("-wal")) flip(copy, bit);
        Deno.writeFileSync(`${file.folder}/${name}`, copy);
      }
      const { sender, errors } = await opened(file);
      await turn();
      const socket = new FakeSocket({
        bytes: 1e9,
        messages: 1e9,
        reportsProgress: true,
      });
      sender.attach(socket);
      sender.end(STOPPED);
      const kept = texts.filter((text) => socket.texts.includes(text));
      assertEquals(socket.texts, kept, "in order, and as they were");
      if (kept.length === texts.length) return;
      assertEquals(errors.map(({ code }) => code), ["SPOOL"]);
      assert(kept.length >= 28, `${kept.length} were read`);
      assert(file.names().some((name) => /damaged.*-wal$/.test(name)));
    }),
    { numRuns: Number(Deno.env.get("SPOOL_RUNS") ?? 40), seed },
  );
});

Deno.test("a log without its database is set aside, and what is in it is kept", async () => {
  const damages: ((path: string) => void)[] = [
    (path) => Deno.writeFileSync(path, new Uint8Array()),
    (path) => Deno.removeSync(path),
    (path) => Deno.writeFileSync(`${path}-wal`, new Uint8Array(5000)),
  ];
  for (const [index, damage] of damages.entries()) {
    using file = new TempFile();
    await leaveBehind(file, ["a", "b", "c"]);
    damage(file.path);
    const { sender, errors } = await opened(file);
    await turn();
    assertEquals(errors.map(({ code }) => code), ["SPOOL"]);
    assertEquals(sender.stats.queued, [3, 3, 0][index]);
    assert(file.names().some((name) => /damaged.*-wal$/.test(name)));
    sender.end(STOPPED);
  }
});

Deno.test("what a killed process has left in its log is found, and is no damage", async () => {
  using file = new TempFile();
  await leaveBehind(file, ["a", "b"]);
  // Killed while it wrote: the last frame is not whole.
  const log = Deno.readFileSync(`${file.path}-wal`);
  Deno.writeFileSync(`${file.path}-wal`, new Uint8Array(100), { append: true });
  assert(log.length > 0);
  const { sender, errors } = await opened(file);
  assertEquals([sender.stats.queued, errors], [2, []]);
  sender.end(STOPPED);
});

Deno.test("the file shrinks after a large backlog", async () => {
  using file = new TempFile();
  const { sender } = await opened(file, { sendQueueMaxSize: 10_000 });
  await Promise.all(
    Array.from({ length: 3000 }, () => sender.send("x".repeat(4000))),
  );
  const full = sizeWithLog(file);
  sender.clearQueue();
  await assertShrinks(file, full);
  sender.end(STOPPED);
});

Deno.test("a file that was large when it was closed shrinks when it is opened again", async () => {
  using file = new TempFile();
  const { sender: first } = await opened(file, { sendQueueMaxSize: 10_000 });
  await Promise.all(
    Array.from({ length: 3000 }, () => first.send("x".repeat(4000))),
  );
  first.clearQueue();
  first.end(STOPPED);
  const { sender } = await opened(file);
  await assertShrinks(file, 3000 * 4000);
  sender.end(STOPPED);
});

function sizeWithLog({ path }: TempFile): number {
  return Deno.statSync(path).size + Deno.statSync(`${path}-wal`).size;
}

/** To a quarter, within ten seconds. */
async function assertShrinks(file: TempFile, full: number): Promise<void> {
  let size = full;
  for (let i = 0; i < 500 && size > full / 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    size = sizeWithLog(file);
  }
  assert(size <= full / 4, `${size} of ${full} bytes`);
}

Deno.test("while a large spool opens the event loop goes on, and what is sent comes after it", async () => {
  using file = new TempFile();
  const { sender } = await opened(file, { sendQueueMaxSize: 100_000 });
  await Promise.all(
    Array.from({ length: 20_000 }, (_, i) => sender.send(`${i}`)),
  );
  sender.end(STOPPED);
  let turns = 0;
  let isOpen = false;
  const { sender: next } = spooled(file, { sendQueueMaxSize: 50_000 }, {
    turn: nextTurn,
  });
  const socket = new FakeSocket({
    bytes: 1e9,
    messages: 1e9,
    reportsProgress: true,
  });
  next.attach(socket);
  const opening = next.open().then(() => isOpen = true);
  let sent = 0;
  while (!isOpen) {
    for (let i = 0; i < 50; i++) next.trySend(`later ${sent++}`);
    await turn();
    turns++;
  }
  await opening;
  while (next.stats.queued > 0) await turn();
  assert(turns > 5, `${turns} turns`);
  assertEquals(socket.texts.length, 20_000 + sent);
  socket.texts.forEach((text, i) => {
    const expected = i < 20_000 ? `${i}` : `later ${i - 20_000}`;
    if (text !== expected) assertEquals(text, expected);
  });
  next.end(STOPPED);
});

Deno.test("while many sent messages are erased at the end the event loop goes on", async () => {
  using file = new TempFile();
  const { sender } = await opened(file, {
    sendQueueMaxSize: 60_000,
    redeliver: BY_TEXT,
  });
  const texts = Array.from({ length: 60_000 }, (_, i) => `${i} `.padEnd(100));
  await Promise.all(texts.map((text) => sender.send(text)));
  for (const text of texts.slice(1)) sender.acknowledge(text);
  sender.end(STOPPED);
  let turns = 0;
  let isClosed = false;
  const closing = sender.closed?.then(() => isClosed = true);
  for (; !isClosed; turns++) await turn();
  await closing;
  assert(turns > 1, `${turns} turns`);
  assertEquals(file.names(), ["queue.spool"]);
  assertEquals(await contents(file), [texts[0]]);
});

Deno.test("stop() waits until its spool is closed", async () => {
  using file = new TempFile();
  const count = 20_000;
  await using server = serve({
    onPeer(peer) {
      peer.onmessage = (data) => {
        if (data === `${count}`) return peer.send("all but this one");
      };
    },
  });
  const acknowledged = Promise.withResolvers<void>();
  const client = await connect(server.url, {
    spool: file.path,
    sendQueueMaxSize: 2 * count,
    redeliver: {
      id: String,
      acknowledged: () => Array.from({ length: count }, (_, i) => `${i}`),
    },
  }, { onMessage: () => acknowledged.resolve() });
  for (let i = 0; i <= count; i++) client.trySend(`${i}`);
  await acknowledged.promise;
  await client.stop({ drain: 0 });
  assertEquals(file.names(), ["queue.spool"]);
  assertEquals(await contents(file), [`${count}`]);
});

Deno.test("flush inside onDrop does not disturb what is being written", async () => {
  using file = new TempFile();
  const later: Promise<void>[] = [];
  const { sender } = await opened(file, {}, {
    onDrop: (data, reason) => {
      if (reason !== "replaced") return;
      if (data === "K1") sender.flush(0).catch(() => {});
      else later.push(sender.send("C"));
    },
  });
  await sender.send("K1", { key: "k" });
  await sender.send("J1", { key: "j" });
  await Promise.all([
    sender.send("K2", { key: "k" }),
    sender.send("J2", { key: "j" }),
  ]);
  await Promise.all(later);
  assertEquals(crashed(file), ["K2", "J2", "C"]);
  sender.end(STOPPED);
});

Deno.test("permission for the file alone is enough, but not to pass over a log that cannot be checked", async () => {
  using file = new TempFile();
  const flags = [`--allow-read=${file.path}`, `--allow-write=${file.path}`];
  assertMatch(
    await child(file, ["open"], []),
    new RegExp(`^PERMISSION fatal .*${flags.join(" ")}`),
  );
  assertEquals(await child(file, ["send"], flags), "open 0");
  assertEquals(await child(file, ["send"], flags), "open 1");
  assertEquals(await contents(file), ["sent", "sent"]);
  await leaveBehind(file, ["a"]);
  const refused = await child(file, ["open"], flags);
  assertMatch(refused, /^SPOOL fatal .*log.*cannot be checked/);
  assert(refused.includes(`--allow-read=${file.folder} `), refused);
  assertEquals(await contents(file), ["sent", "sent", "a"]);
  Deno.writeFileSync(file.path, Deno.readFileSync(file.path).fill(1, 99, 1000));
  const damaged = await child(file, ["open"], flags);
  assertMatch(damaged, /^SPOOL fatal .*damaged.*permission for its folder/);
  assertEquals(file.names().filter((name) => name.includes("damaged")), []);
  // A process that was killed while it made a new one.
  Deno.mkdirSync(`${file.path}.damaged-1970-01-01T00-00-00.000Z.copy`);
  const clock = { wall: () => 0, monotonic: () => 0 };
  const { sender } = spooled(file, {}, { clock });
  sender.end(await assertRejects(() => sender.open(), WSError));
  const unfinished = await child(file, ["open"], flags);
  assertMatch(unfinished, /^SPOOL fatal .*repair.*permission for its folder/);
});

Deno.test("without permission for its folder a damaged spool stays as it is", async () => {
  using file = new TempFile();
  await leaveDamaged(file, 200);
  const before = Deno.readFileSync(file.path);
  const flags = [`--allow-read=${file.path}`, `--allow-write=${file.path}`];
  const refused = await child(file, ["open"], flags);
  assertMatch(refused, /^SPOOL fatal .*damaged.*permission for its folder/);
  assertEquals(file.names(), ["queue.spool"]);
  assertEquals(Deno.readFileSync(file.path), before);
});

Deno.test("another process cannot open it, and SIGKILL sets it free", async () => {
  using file = new TempFile();
  const holder = start(file, ["hold"], ["--allow-read", "--allow-write"]);
  const lines = holder.stdout.pipeThrough(new TextDecoderStream());
  for await (const line of lines.values({ preventCancel: true })) {
    if (line.includes("open")) break;
  }
  const { sender } = spooled(file);
  const error = await assertRejects(() => sender.open(), WSError);
  assertMatch(error.message, /another client has it open/);
  sender.end(error);
  holder.kill("SIGKILL");
  await holder.status;
  await lines.cancel();
  assertEquals(await contents(file), ["sent"]);
});

Deno.test({
  name:
    "on a full disk every sender is told, small messages still fit, and all that was accepted is sent",
  ignore: !hasPrlimit(),
  async fn() {
    using file = new TempFile();
    const script = new URL("./full_disk.ts", import.meta.url);
    const run = [Deno.execPath(), "run", "--quiet", "--no-code-cache"];
    // No file may be larger; ignored, the signal becomes an error of the write.
    const { stdout, success } = await new Deno.Command("sh", {
      args: [
        "-c",
        `trap '' XFSZ; exec prlimit --fsize=1000000: "$@"`,
        "sh",
        ...[...run, "--allow-all", script.pathname, file.path],
      ],
      stderr: "inherit",
      signal: AbortSignal.timeout(60_000),
    }).output();
    const results = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(success, true);
    assertEquals(results, {
      alone: 40,
      large: "SPOOL transient",
      neighbours: ["ok", "ok"],
      untold: 0,
      names: true,
      sentInOrder: true,
    });
  },
});

/** A tool of Linux that limits the size of files. */
function hasPrlimit(): boolean {
  try {
    const { success } = new Deno.Command("prlimit", { args: ["--version"] })
      .outputSync();
    return success;
  } catch {
    console.log("There is no prlimit here: the test of a full disk is skipped");
    return false;
  }
}

Deno.test("nothing that waits in a sender keeps the process alive", async () => {
  using file = new TempFile();
  const script = new URL("./idle_sender.ts", import.meta.url);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script.pathname, file.path],
    stderr: "inherit",
    signal: AbortSignal.timeout(30_000),
  }).output();
  assertEquals([success, new TextDecoder().decode(stdout)], [true, "idle\n"]);
});

type Hooks = Parameters<typeof setUp>[1];

function spooled(
  file: TempFile,
  config: Partial<SendConfig> = {},
  hooks: Hooks = {},
) {
  return setUp({ spool: file.path, ...config }, { turn: nextTurn, ...hooks });
}

async function opened(
  file: TempFile,
  config: Partial<SendConfig> = {},
  hooks: Hooks = {},
): Promise<ReturnType<typeof spooled>> {
  const made = spooled(file, config, hooks);
  await made.sender.open();
  return made;
}

/** What is in the spool, for somebody who opens it. */
async function contents(file: TempFile): Promise<string[]> {
  const { sender } = await opened(file, { sendQueueMaxSize: 1 });
  return drained(sender);
}

/** What would be in the spool if the process were killed now. */
function crashed(file: TempFile): string[] {
  using copy = new TempFile();
  for (const name of file.names()) {
    Deno.copyFileSync(`${file.folder}/${name}`, `${copy.folder}/${name}`);
  }
  const db = new DatabaseSync(copy.path);
  const rows = db.prepare("SELECT data FROM message ORDER BY row").all();
  db.close();
  return rows.map(({ data }) =>
    data instanceof Uint8Array ? new TextDecoder().decode(data) : ""
  );
}

function drained(sender: Sender): string[] {
  const socket = new FakeSocket({
    bytes: 1e9,
    messages: 1e9,
    reportsProgress: true,
  });
  sender.attach(socket);
  sender.end(STOPPED);
  return socket.texts;
}

/** Leaves the files as a process does that is killed. */
async function leaveBehind(file: TempFile, texts: string[]): Promise<void> {
  using original = new TempFile();
  for (const name of file.names()) {
    Deno.copyFileSync(`${file.folder}/${name}`, `${original.folder}/${name}`);
  }
  const { sender } = await opened(original);
  for (const text of texts) await sender.send(text);
  for (const name of original.names()) {
    Deno.copyFileSync(`${original.folder}/${name}`, `${file.folder}/${name}`);
  }
  sender.end(STOPPED);
}

/** Leaves a file with so many messages, the middle of which is damaged. */
async function leaveDamaged(file: TempFile, count: number): Promise<void> {
  const { sender } = await opened(file, { sendQueueMaxSize: count });
  await Promise.all(
    Array.from({ length: count }, (_, i) => sender.send(`${i}`.padEnd(50))),
  );
  sender.end(STOPPED);
  const bytes = Deno.readFileSync(file.path);
  const middle = bytes.length >> 1;
  Deno.writeFileSync(file.path, bytes.fill(0xee, middle, middle + 100));
}

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}

function turn(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve));
}

function start(
  file: TempFile,
  what: readonly string[],
  flags: readonly string[],
): Deno.ChildProcess {
  const script = new URL("./spool_holder.ts", import.meta.url);
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      ...flags,
      script.pathname,
      file.path,
      ...what,
    ],
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

async function child(
  file: TempFile,
  what: readonly string[],
  flags: readonly string[],
): Promise<string> {
  const { stdout } = await start(file, what, flags).output();
  return new TextDecoder().decode(stdout).trim();
}

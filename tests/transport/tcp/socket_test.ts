import { assert, assertEquals } from "@std/assert";
import { closeBody, concat, frame, Opcode } from "../../protocol/frames.ts";
import {
  resetAtOnce,
  sendBytes,
  TcpPeer,
  upgrade,
} from "../../support/tcp_peer.ts";
import { Recorder } from "../../support/events.ts";
import { spin } from "../../support/spin.ts";
import { accepting, connect, open, type SocketEvents } from "./connect.ts";

const { text, binary, continuation, close, ping, pong } = Opcode;

Deno.test("text and binary messages arrive as they were sent, in order", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    for (;;) {
      const seen = await peer.next();
      if (seen === undefined) return;
      if ("text" in seen) await peer.send(text, seen.text);
      else if ("binary" in seen) await peer.send(binary, seen.binary);
      else if ("close" in seen) {
        return await peer.send(close, closeBody(seen.close[0]));
      }
    }
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  const sent = [
    "hello",
    "",
    Uint8Array.of(0, 255, 128),
    "ü".repeat(70),
    "x".repeat(70_000),
    new Uint8Array(0),
    Uint8Array.from({ length: 600_000 }, (_, index) => index * 7),
    "🎉",
  ];
  for (const message of sent) socket.send(message);
  for (const message of sent) {
    assertEquals(await events.next("message"), message);
  }
  socket.close(1000, "", 20_000);
  assertEquals(await events.next("end"), {
    code: 1000,
    reason: "",
    wasClean: true,
  });
});

Deno.test("what is sent in one turn leaves in one write", async () => {
  const reads: number[] = [];
  await using server = new TcpPeer(upgrade({
    async then({ conn }) {
      const buffer = new Uint8Array(64 * 1024);
      const count = await conn.read(buffer);
      reads.push(count ?? 0);
    },
  }));
  using opened = await open(server.url);
  for (let count = 0; count < 100; count++) opened.socket.send("0123456789");
  await opened.events.next("end");
  assertEquals(reads, [100 * 16]);
});

Deno.test("bytes that come with the 101 are not lost, nor before listen", async () => {
  await using server = new TcpPeer(async (exchange) => {
    const write = exchange.write;
    const parts: Uint8Array[] = [];
    await upgrade({ then: () => {} })({
      ...exchange,
      write: (data) => {
        parts.push(
          typeof data === "string" ? new TextEncoder().encode(data) : data,
        );
        return Promise.resolve();
      },
    });
    await write(concat(
      ...parts,
      frame("server", text, "early"),
      frame("server", close, closeBody(1001, "bye")),
    ));
    await exchange.gone();
  });
  const socket = await connect(server.url);
  const order: unknown[] = [];
  const ended = Promise.withResolvers<void>();
  socket.listen({
    onMessage: (data) => order.push(data),
    onEnd: ({ code }) => {
      order.push(code);
      ended.resolve();
    },
  });
  assertEquals(order, []);
  await ended.promise;
  assertEquals(order, ["early", 1001]);
});

Deno.test("a frame may come byte by byte", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    const bytes = concat(
      frame("server", text, "x".repeat(130)),
      frame("server", binary, Uint8Array.of(1, 2, 3)),
      frame("server", close),
    );
    for (const byte of bytes) await peer.write(Uint8Array.of(byte));
    await peer.rest();
  }));
  using opened = await open(server.url);
  assertEquals((await opened.events.next("end")).code, 1005);
  assertEquals(opened.events.all("message"), [
    "x".repeat(130),
    Uint8Array.of(1, 2, 3),
  ]);
});

Deno.test("a server's close is answered with its code", async () => {
  const cases: [Uint8Array, number, string][] = [
    [closeBody(1000, "done"), 1000, "done"],
    [closeBody(4999, "später"), 4999, "später"],
    [closeBody(1012), 1012, ""],
    [new Uint8Array(0), 1005, ""],
  ];
  for (const [body, code, reason] of cases) {
    let answer: unknown;
    await using server = new TcpPeer(accepting(async (peer) => {
      await peer.send(close, body);
      answer = await peer.next();
    }));
    using opened = await open(server.url);
    assertEquals(await opened.events.next("end"), {
      code,
      reason,
      wasClean: true,
    });
    await server[Symbol.asyncDispose]();
    assertEquals(answer, { close: [code, ""] });
  }
});

Deno.test("after our close the server's messages still arrive, then its code", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    assertEquals(await peer.next(), { text: "before" });
    assertEquals(await peer.next(), { close: [4001, "why"] });
    await peer.send(text, "late");
    await peer.send(close, closeBody(1000));
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  socket.send("before");
  socket.close(4001, "why", 20_000);
  socket.send("after");
  socket.close(4002, "again", 1);
  assertEquals((await events.next("end")).code, 1000);
  assertEquals(events.all("message"), ["late"]);
  assertEquals(socket.bufferedAmount, 0);
});

Deno.test("a close without an answer ends after its timeout", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.rest();
  }));
  using opened = await open(server.url);
  opened.socket.close(1000, "", 50);
  assertEquals(await opened.events.next("end"), {
    code: 1006,
    reason: "",
    wasClean: false,
  });
});

Deno.test("a server that hangs up without a close frame is 1006", async () => {
  await using server = new TcpPeer(accepting(() => Promise.resolve()));
  using opened = await open(server.url);
  const { code, wasClean, failure } = await opened.events.next("end");
  assertEquals([code, wasClean, failure?.kind], [1006, false, "network"]);
});

Deno.test("a reset connection is 1006 with the runtime's words", async () => {
  await using server = new TcpPeer(upgrade({ then: resetAtOnce }));
  using opened = await open(server.url);
  opened.socket.send("x".repeat(100));
  const { code, failure } = await opened.events.next("end");
  assertEquals([code, failure?.kind], [1006, "network"]);
});

Deno.test("a server that hangs up right behind its close frame closed cleanly", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.send(close, closeBody(1001));
    await peer.conn.closeWrite();
    await peer.rest();
  }));
  using opened = await open(server.url);
  const { code, wasClean } = await opened.events.next("end");
  assertEquals([code, wasClean], [1001, true]);
});

Deno.test("a server that does not hang up behind its close frame closed cleanly", async () => {
  await using server = new TcpPeer(upgrade({ then: sendBytes(0x88, 0) }));
  using opened = await open(server.url);
  const { code, wasClean } = await opened.events.next("end");
  assertEquals([code, wasClean], [1005, true]);
});

Deno.test("terminate ends everything before it returns", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.rest();
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  socket.send("x".repeat(1000));
  socket.terminate();
  assertEquals(events.names, ["end"]);
  assertEquals(events.all("end")[0]?.code, 1006);
  socket.terminate();
  socket.send("late");
  socket.close(1000, "", 1000);
  assertEquals(events.names, ["end"]);
  assertEquals(socket.bufferedAmount, 1000);
});

Deno.test("terminate within onMessage delivers nothing more", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    const message = frame("server", text, "x");
    await peer.write(concat(message, message, message));
    await peer.rest();
  }));
  const socket = await connect(server.url);
  const seen: unknown[] = [];
  const ended = Promise.withResolvers<void>();
  socket.listen({
    onMessage: (data) => {
      seen.push(data);
      socket.terminate();
    },
    onEnd: () => ended.resolve(),
  });
  await ended.promise;
  assertEquals(seen, ["x"]);
});

Deno.test("the server's pings are answered with their payloads", async () => {
  const payloads = ["", "one", "x".repeat(125)];
  await using server = new TcpPeer(accepting(async (peer) => {
    for (const payload of payloads) await peer.send(ping, payload);
    for (const payload of payloads) {
      assertEquals(await peer.next(), { pong: payload });
    }
    await peer.send(close);
    await peer.rest();
  }));
  using opened = await open(server.url);
  assertEquals((await opened.events.next("end")).code, 1005);
});

Deno.test("only pongs that answer our pings are reported", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.send(pong, "unsolicited");
    await peer.send(pong, "0");
    const first = await peer.next();
    assert(first !== undefined && "ping" in first);
    assertEquals(await peer.next(), { text: "data" });
    for (const other of ["99", "07", "", "7 "]) await peer.send(pong, other);
    await peer.send(pong, first.ping);
    await peer.send(pong, "-1");
    await peer.send(close);
    await peer.rest();
  }));
  using opened = await open(server.url);
  opened.socket.send("data");
  opened.socket.ping?.(7);
  await opened.events.next("end");
  assertEquals(opened.events.all("pong"), [7]);
});

Deno.test("pause holds back what is in the same read, until resume", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    const parts = ["1", "2", "3", "4"].map((n) => frame("server", text, n));
    await peer.write(concat(...parts, frame("server", close)));
    await peer.rest();
  }));
  const socket = await connect(server.url);
  const seen: unknown[] = [];
  const second = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  socket.listen({
    onMessage: (data) => {
      seen.push(data);
      if (data === "2") {
        socket.pause?.();
        second.resolve();
      }
    },
    onEnd: () => ended.resolve(),
  });
  await second.promise;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(seen, ["1", "2"]);
  socket.resume?.();
  await ended.promise;
  assertEquals(seen, ["1", "2", "3", "4"]);
});

Deno.test("a paused connection slows the server down and loses nothing", async () => {
  let written = 0;
  const total = 3000;
  await using server = new TcpPeer(accepting(async (peer) => {
    const payload = new Uint8Array(16 * 1024);
    for (; written < total; written++) await peer.send(binary, payload);
    await peer.send(close);
    await peer.rest();
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  socket.pause?.();
  // The kernel's buffers fill up: from then on nothing is written any more.
  for (let before = -1; before !== written;) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert(written < total, `${written} messages went into a paused connection`);
  assert((socket.bytesRead ?? 0) < 1_000_000, `${socket.bytesRead} bytes read`);
  assertEquals(events.all("message").length, 0);
  socket.resume?.();
  await events.next("end");
  assertEquals(events.all("message").length, total);
});

Deno.test("a paused socket that closes sees the answer once it reads again", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.send(text, "first");
    await peer.send(text, "second");
    assertEquals(await peer.next(), { close: [1000, ""] });
    await peer.send(close, closeBody(1000));
  }));
  const socket = await connect(server.url);
  const events = new Recorder<SocketEvents>();
  socket.listen({
    onMessage(data) {
      socket.pause?.();
      events.add("message", data);
    },
    onEnd: events.on("end"),
  });
  await events.next("message");
  socket.close(1000, "", 20_000);
  socket.resume?.();
  await events.next("message");
  socket.resume?.();
  assertEquals((await events.next("end")).wasClean, true);
  assertEquals(events.all("message"), ["first", "second"]);
});

Deno.test("messages count in bufferedAmount until their last byte is written", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    // Reads only once the client has had time to fill the network's buffers.
    assertEquals(await peer.next(), { text: "start" });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await peer.rest();
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  socket.send("start");
  await events.until(() => socket.bufferedAmount === 0);
  const size = 1_000_000;
  const count = 20;
  for (let n = 0; n < count; n++) socket.send(new Uint8Array(size));
  assertEquals(socket.bufferedAmount, count * size);
  assertEquals(socket.bytesWritten, 5 + count * size);
  await events.until(() => socket.bufferedAmount === 0);
  const amounts = events.all("progress").slice(1);
  assertEquals(
    amounts,
    Array.from({ length: count }, (_, n) => (count - n - 1) * size),
  );
});

Deno.test("after the end bufferedAmount tells what was not written", async () => {
  const stop = Promise.withResolvers<void>();
  const drained = Promise.withResolvers<void>();
  let received = 0;
  await using server = new TcpPeer(upgrade({
    async then({ conn }) {
      await stop.promise;
      // All that the client's kernel has taken still arrives.
      const buffer = new Uint8Array(1 << 20);
      for (;;) {
        const count = await conn.read(buffer).catch(() => null);
        if (count === null) break;
        received += count;
      }
      drained.resolve();
    },
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  const message = "x".repeat(65_000);
  const frameSize = message.length + 8;
  for (let count = 0; count < 400; count++) socket.send(message);
  let before = -1;
  while (before !== socket.bufferedAmount) {
    before = socket.bufferedAmount ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  socket.terminate();
  const unsent = socket.bufferedAmount ?? 0;
  assertEquals((await events.next("end")).code, 1006);
  stop.resolve();
  await drained.promise;
  assert(unsent > 0, "everything fitted into the network's buffers");
  // The write that was broken off may have got through (Deno 2.6).
  const extra = Math.floor(received / frameSize) + unsent / message.length -
    400;
  assert(extra === 0 || extra === 1, `${extra}`);
});

Deno.test("fragments and control frames between them are put together", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.send(text, "frag", { fin: false });
    await peer.send(ping, "in between");
    assertEquals(await peer.next(), { pong: "in between" });
    await peer.send(continuation, "", { fin: false });
    await peer.send(continuation, "ments");
    await peer.send(close);
    await peer.rest();
  }));
  using opened = await open(server.url);
  await opened.events.next("end");
  assertEquals(opened.events.all("message"), ["fragments"]);
});

interface Violation {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly closeCode: number;
  readonly kind: "protocol" | "too-large";
}

const VIOLATIONS: readonly Violation[] = [
  {
    name: "a reserved opcode",
    bytes: frame("server", 3),
    closeCode: 1002,
    kind: "protocol",
  },
  {
    name: "a masked frame",
    bytes: frame("client", text, "x"),
    closeCode: 1002,
    kind: "protocol",
  },
  {
    name: "a text that is not UTF-8",
    bytes: frame("server", text, Uint8Array.of(0xff)),
    closeCode: 1007,
    kind: "protocol",
  },
  {
    name: "a message that is too large",
    bytes: frame("server", binary, "", { length: 2n ** 40n }),
    closeCode: 1009,
    kind: "too-large",
  },
  {
    name: "a close code that may not be sent",
    bytes: frame("server", close, closeBody(1005)),
    closeCode: 1002,
    kind: "protocol",
  },
];

for (const { name, bytes, closeCode, kind } of VIOLATIONS) {
  Deno.test(`${name} fails the connection with ${closeCode}`, async () => {
    let seen: unknown;
    await using server = new TcpPeer(accepting(async (peer) => {
      await peer.send(text, "good");
      await peer.write(concat(bytes, frame("server", text, "late")));
      seen = await peer.next();
      assertEquals(await peer.next(), undefined);
    }));
    using opened = await open(server.url, { maxMessageBytes: 1_000_000 });
    const end = await opened.events.next("end");
    assertEquals([end.code, end.wasClean], [1006, false]);
    assertEquals(end.failure?.kind, kind);
    assertEquals(opened.events.all("message"), ["good"]);
    await server[Symbol.asyncDispose]();
    assertEquals(seen, { close: [closeCode, end.failure?.detail ?? ""] });
  });
}

Deno.test("a connection that is never listened to can be terminated", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.rest();
  }));
  const socket = await connect(server.url);
  socket.terminate();
  const ended = Promise.withResolvers<number>();
  socket.listen({
    onMessage: () => {},
    onEnd: ({ code }) => ended.resolve(code),
  });
  assertEquals(await ended.promise, 1006);
});

Deno.test("terminate right after listen reports one end", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.rest();
  }));
  const socket = await connect(server.url);
  const ends: number[] = [];
  socket.listen({ onMessage: () => {}, onEnd: ({ code }) => ends.push(code) });
  socket.terminate();
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(ends, [1006]);
});

Deno.test("what is sent after the network took the last byte stays counted", async () => {
  await using server = new TcpPeer(upgrade({ then: resetAtOnce }));
  const socket = await connect(server.url);
  // Nothing is read yet: only the writes can find out that the peer is gone.
  let sent = 0;
  const ended = Promise.withResolvers<void>();
  socket.listen({ onMessage: () => {}, onEnd: () => ended.resolve() });
  socket.pause?.();
  for (let round = 0; round < 20; round++) {
    socket.send("x".repeat(1000));
    sent += 1000;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const unsent = socket.bufferedAmount ?? 0;
  assert(unsent > 0 && unsent < sent, `${unsent} of ${sent} bytes unsent`);
  socket.resume?.();
  await ended.promise;
  assertEquals(socket.bufferedAmount, unsent);
});

Deno.test("a burst of messages does not keep timers waiting", async () => {
  const total = 200_000;
  await using server = new TcpPeer(accepting(async (peer) => {
    const batch = new Uint8Array(100 * 66);
    for (let n = 0; n < 100; n++) {
      batch.set(frame("server", text, "x".repeat(64)), n * 66);
    }
    for (let n = 0; n < total / 100; n++) await peer.write(batch);
    await peer.send(close);
    await peer.rest();
  }));
  const socket = await connect(server.url);
  let count = 0;
  let most = 0;
  let sinceTurn = 0;
  const timer = setInterval(() => sinceTurn = 0, 1);
  const ended = Promise.withResolvers<void>();
  socket.listen({
    onMessage: () => {
      count++;
      most = Math.max(most, ++sinceTurn);
    },
    onEnd: () => ended.resolve(),
  });
  await ended.promise;
  clearInterval(timer);
  assertEquals(count, total);
  assert(most < total / 2, `${most} messages without a turn for timers`);
});

Deno.test("timers have a turn between messages that take long", async () => {
  const [quick, slow] = [5_000, 100];
  await using server = new TcpPeer(accepting(async (peer) => {
    const one = frame("server", text, "x");
    await peer.write(concat(...Array(quick + slow).fill(one)));
    await peer.send(close);
    await peer.rest();
  }));
  const socket = await connect(server.url);
  let count = 0;
  let sinceTurn = 0;
  const runs: number[] = [];
  const turn = () => {
    if (sinceTurn > 0) runs.push(sinceTurn);
    sinceTurn = 0;
  };
  const timer = setInterval(turn, 1);
  const ended = Promise.withResolvers<void>();
  socket.listen({
    onMessage: () => {
      if (++count <= quick) return;
      sinceTurn++;
      spin(3);
    },
    onEnd: () => ended.resolve(),
  });
  await ended.promise;
  clearInterval(timer);
  turn();
  assertEquals(count, quick + slow);
  // The first look at the clock may be as far away as between quick messages.
  const [first = NaN, ...later] = runs;
  assert(first <= 64, `${first} messages without a turn at first`);
  assert(Math.max(...later) <= 8, `${later} messages without a turn`);
});

Deno.test("large batches leave a runtime without WebAssembly, too", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    const seen = await peer.next();
    const size = seen !== undefined && "text" in seen ? seen.text.length : 0;
    await peer.send(text, String(size));
    await peer.send(close, closeBody(1000));
    await peer.rest();
  }));
  const mod = new URL("../../../mod.ts", import.meta.url).href;
  const program = `
    import { connect } from "${mod}";
    const options = { transport: "tcp", reconnect: false };
    const client = await connect("ws://127.0.0.1:${server.port}", options);
    client.send("x".repeat(100_000));
    for await (const message of client) console.log(message);
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", "--v8-flags=--jitless", program],
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "100000\n");
});

import { assert, assertEquals } from "@std/assert";
import { deflateRawSync } from "node:zlib";
import { closeBody, concat, frame, Opcode } from "../../protocol/frames.ts";
import { TcpPeer, upgrade } from "../../support/tcp_peer.ts";
import { accepting, open } from "./connect.ts";

const { text, binary, continuation, close, ping } = Opcode;

const DEFLATE = { "sec-websocket-extensions": "permessage-deflate" };

/** Bytes that the process has, heap and buffers. */
function memory(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

Deno.test("a decompression bomb is refused before it has grown", async () => {
  const bomb = deflateRawSync(new Uint8Array(200_000_000));
  let answer: unknown;
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.send(binary, bomb, { reserved: 4 });
    answer = await peer.next();
  }, DEFLATE));
  const before = memory();
  using opened = await open(server.url, {
    compression: true,
    maxMessageBytes: 1_000_000,
  });
  const end = await opened.events.next("end");
  assertEquals([end.code, end.failure?.kind], [1006, "too-large"]);
  const grown = memory() - before;
  // Garbage that is not collected yet counts as well.
  assert(grown < 100_000_000, `${grown} bytes more`);
  await server[Symbol.asyncDispose]();
  assertEquals(answer, { close: [1009, end.failure?.detail ?? ""] });
});

Deno.test("what does not inflate, or not to UTF-8, fails with 1007", async () => {
  const payloads = [
    Uint8Array.of(0xff, 0xff, 0xff),
    deflateRawSync(Uint8Array.of(0xff)),
  ];
  for (const payload of payloads) {
    let answer: unknown;
    await using server = new TcpPeer(accepting(async (peer) => {
      await peer.send(text, payload, { reserved: 4 });
      answer = await peer.next();
    }, DEFLATE));
    using opened = await open(server.url, { compression: true });
    const end = await opened.events.next("end");
    assertEquals([end.code, end.failure?.kind], [1006, "protocol"]);
    await server[Symbol.asyncDispose]();
    assertEquals(answer, { close: [1007, end.failure?.detail ?? ""] });
  }
});

Deno.test("a compressed message keeps its place among the others", async () => {
  const compressed = deflateRawSync(new TextEncoder().encode("compressed"));
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.write(concat(
      frame("server", text, "before"),
      frame("server", text, compressed, { reserved: 4 }),
      frame("server", text, "after"),
      frame("server", text, compressed.subarray(0, 3), {
        reserved: 4,
        fin: false,
      }),
      frame("server", ping, "ping"),
      frame("server", continuation, compressed.subarray(3)),
      frame("server", text, "last"),
      frame("server", close, closeBody(1000)),
    ));
    await peer.rest();
  }, DEFLATE));
  using opened = await open(server.url, { compression: true });
  await opened.events.next("end");
  assertEquals(opened.events.all("message"), [
    "before",
    "compressed",
    "after",
    "compressed",
    "last",
  ]);
});

Deno.test("pause holds back compressed messages too", async () => {
  const compressed = deflateRawSync(new TextEncoder().encode("compressed"));
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.send(text, "go");
    await peer.send(text, compressed, { reserved: 4 });
    await peer.send(text, "after");
    await peer.rest();
  }, DEFLATE));
  using opened = await open(server.url, { compression: true });
  const { socket, events } = opened;
  await events.next("message");
  socket.pause?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(events.all("message").length, 1);
  socket.resume?.();
  await events.until(() => events.all("message").length === 3);
  assertEquals(events.all("message"), ["go", "compressed", "after"]);
});

Deno.test("a server that pings and never reads grows no memory", async () => {
  const count = 300_000;
  await using server = new TcpPeer(upgrade({
    async then({ write, gone }) {
      // Some 40 MB of pings, whose pongs nobody reads.
      const flood = concat(
        ...Array.from(
          { length: 1000 },
          () => frame("server", ping, "x".repeat(125)),
        ),
      );
      for (let sent = 0; sent < count; sent += 1000) await write(flood);
      await write(frame("server", text, "through"));
      // To hang up with unread pongs would reset what is on its way.
      await gone();
    },
  }));
  const before = memory();
  using opened = await open(server.url);
  assertEquals(await opened.events.next("message"), "through");
  const grown = memory() - before;
  assert(grown < 30_000_000, `${grown} bytes more`);
});

Deno.test("an announced message that never comes costs no memory", async () => {
  await using server = new TcpPeer(accepting(async (peer) => {
    const head = frame("server", binary, new Uint8Array(1000), {
      length: 60_000_000,
      lengthBytes: 8,
    });
    await peer.write(head);
    await peer.send(text, "");
    await peer.rest();
  }));
  const connections = 20;
  const before = memory();
  const all = await Promise.all(
    Array.from({ length: connections }, () => open(server.url)),
  );
  for (const { socket } of all) {
    while ((socket.bytesRead ?? 0) < 1000) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const grown = memory() - before;
  for (const opened of all) opened[Symbol.dispose]();
  assert(grown < 60_000_000, `${grown} bytes more`);
});

Deno.test("fragments without end are refused", async () => {
  let answer: unknown;
  await using server = new TcpPeer(accepting(async (peer) => {
    await peer.send(text, "", { fin: false });
    const flood = concat(
      ...Array.from(
        { length: 10_000 },
        () => frame("server", continuation, "", { fin: false }),
      ),
    );
    const reading = peer.next();
    try {
      for (let count = 0; count < 100; count++) await peer.write(flood);
    } catch {
      // The client has hung up.
    }
    answer = await reading;
  }));
  using opened = await open(server.url);
  const end = await opened.events.next("end");
  assertEquals([end.code, end.failure?.kind], [1006, "too-large"]);
  await server[Symbol.asyncDispose]();
  assertEquals(answer, { close: [1009, end.failure?.detail ?? ""] });
});

Deno.test("a server that floods after we failed the connection is cut off", async () => {
  await using server = new TcpPeer(upgrade({
    async then({ write }) {
      await write(Uint8Array.of(0x83, 0));
      for (;;) await write(new Uint8Array(64 * 1024));
    },
  }));
  using opened = await open(server.url);
  const end = await opened.events.next("end");
  assertEquals(end.failure?.kind, "protocol");
});

Deno.test("a server that never reads is left after the close timeout", async () => {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  await using server = new TcpPeer(upgrade({ then: () => left }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  for (let count = 0; count < 50; count++) {
    socket.send(new Uint8Array(1_000_000));
  }
  socket.close(1000, "", 100);
  const { code, wasClean } = await events.next("end");
  leave();
  assertEquals([code, wasClean], [1006, false]);
  assert((socket.bufferedAmount ?? 0) > 0);
});

Deno.test("a server's close is seen while our writes are stuck", async () => {
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  await using server = new TcpPeer(upgrade({
    async then({ write }) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await write(frame("server", close, closeBody(1013, "busy")));
      await left;
    },
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  for (let count = 0; count < 50; count++) {
    socket.send(new Uint8Array(1_000_000));
  }
  const { code, reason, wasClean } = await events.next("end");
  leave();
  assertEquals([code, reason, wasClean], [1013, "busy", false]);
  assert((socket.bufferedAmount ?? 0) > 0);
});

Deno.test("pings and messages together come through a slow reader in order", async () => {
  const count = 2000;
  const seen: string[] = [];
  await using server = new TcpPeer(accepting(async (peer) => {
    for (let n = 0; n < count; n++) {
      if (n % 10 === 0) await peer.send(ping, `${n}`);
      const next = await peer.next();
      assert(next !== undefined);
      if ("text" in next) seen.push(next.text);
      else n--;
    }
    await peer.send(close);
    await peer.rest();
  }));
  using opened = await open(server.url);
  const { socket, events } = opened;
  for (let n = 0; n < count; n++) socket.send(`${n}`);
  await events.next("end");
  assertEquals(seen, Array.from({ length: count }, (_, n) => `${n}`));
});

import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { echo } from "../../src/server/behaviours.ts";
import {
  canReset,
  closeQuietly,
  linger,
  listen,
  listenForResets,
  type Transport,
  writeAll,
} from "../../src/server/listener.ts";
import { serveWithResets } from "../../src/server/server.ts";
import { certificates } from "../support/certificates.ts";
import { Recorder } from "../support/events.ts";
import { tcpPair } from "../support/tcp_pair.ts";

Deno.test("it listens on a free port of 127.0.0.1 by default", async () => {
  const listener = listen({});
  const { hostname, port } = listener.addr;
  assertEquals(hostname, "127.0.0.1");
  using client = await Deno.connect({ hostname, port });
  const { transport, remote } = await listener.accept();
  assertEquals(remote.port, client.localAddr.port);
  await transport.write(Uint8Array.of(7));
  const got = new Uint8Array(1);
  await client.read(got);
  assertEquals(got[0], 7);
  transport.close();
  listener.close();
});

Deno.test("with a certificate it speaks TLS, and offers protocols", async () => {
  const { ca, good } = await certificates();
  const listener = listen({ tls: good, alpn: ["http/1.1"] });
  const { port } = listener.addr;
  const [{ transport }, client] = await Promise.all([
    listener.accept(),
    Deno.connectTls({
      hostname: "localhost",
      port,
      caCerts: [ca],
      alpnProtocols: ["http/1.1"],
    }),
  ]);
  const [, { alpnProtocol }] = await Promise.all([
    transport.write(Uint8Array.of(7)),
    client.handshake(),
  ]);
  assertEquals(alpnProtocol, "http/1.1");
  client.close();
  transport.close();
  listener.close();
});

Deno.test("a port that is taken is refused", () => {
  const listener = listen({});
  assertThrows(
    () => listen({ port: listener.addr.port }),
    Deno.errors.AddrInUse,
  );
  listener.close();
});

Deno.test("closing ends the accept that waits", async () => {
  const listener = listen({});
  const accepting = listener.accept();
  listener.close();
  await assertRejects(() => accepting);
});

async function rig() {
  const listener = await listenForResets({});
  const { hostname, port } = listener.addr;
  const client = await Deno.connect({ hostname, port });
  const { transport, remote } = await listener.accept();
  return {
    client,
    transport,
    remote,
    [Symbol.dispose]() {
      client.close();
      transport.close();
      listener.close();
    },
  };
}

if (!canReset()) console.log("skipped: this Deno cannot reset connections");

function resetTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !canReset(), fn });
}

resetTest("bytes go both ways, however small the reads are", async () => {
  using r = await rig();
  assertEquals(r.remote, r.client.localAddr);
  await r.client.write(Uint8Array.of(1, 2, 3));
  const into = new Uint8Array(2);
  assertEquals([await r.transport.read(into), ...into], [2, 1, 2]);
  assertEquals([await r.transport.read(into), ...into], [1, 3, 2]);
  assertEquals(await r.transport.write(Uint8Array.of(4, 5)), 2);
  assertEquals([await r.client.read(into), ...into], [2, 4, 5]);
});

resetTest("a client that has said all can still be answered", async () => {
  using r = await rig();
  await r.client.closeWrite();
  assertEquals(await r.transport.read(new Uint8Array(9)), null);
  await r.transport.write(Uint8Array.of(7));
  const into = new Uint8Array(9);
  assertEquals([await r.client.read(into), into[0]], [1, 7]);
});

resetTest("each side hears the other's end", async () => {
  using r = await rig();
  await r.transport.closeWrite();
  assertEquals(await r.client.read(new Uint8Array(1)), null);
  await r.client.write(Uint8Array.of(1));
  await r.client.closeWrite();
  assertEquals(await r.transport.read(new Uint8Array(9)), 1);
  assertEquals(await r.transport.read(new Uint8Array(9)), null);
});

resetTest("closing ends a read that waits", async () => {
  using r = await rig();
  const read = r.transport.read(new Uint8Array(1));
  r.transport.close();
  assertEquals(await read, null);
});

resetTest("closing ends an accept that waits", async () => {
  const listener = await listenForResets({});
  const accepting = listener.accept();
  listener.close();
  await assertRejects(() => accepting, Deno.errors.BadResource);
});

resetTest("a port that is taken is refused", async () => {
  const listener = await listenForResets({});
  const { port } = listener.addr;
  const error = await assertRejects(() => listenForResets({ port }), Error);
  assertMatch(error.message, /EADDRINUSE|in use/i);
  listener.close();
});

resetTest("a reset is seen as one", async () => {
  using r = await rig();
  r.transport.reset?.();
  await assertRejects(
    () => r.client.read(new Uint8Array(1)),
    Deno.errors.ConnectionReset,
  );
});

resetTest(
  "the runtime's client sees a reset after all that was sent",
  async () => {
    await using server = await serveWithResets({
      onPeer: (peer) => {
        peer.sendMany(["a", "b"]);
        peer.onmessage = () => peer.reset();
      },
    });
    const events = new Recorder<{ message: MessageEvent; error: Event }>();
    const socket = new WebSocket(server.url);
    socket.onmessage = events.on("message");
    socket.onerror = events.on("error");
    assertEquals((await events.next("message")).data, "a");
    assertEquals((await events.next("message")).data, "b");
    socket.send("c");
    const error = await events.next("error");
    assertMatch(error instanceof ErrorEvent ? error.message : "", /reset/);
  },
);

Deno.test("a server with resets serves like any other", async () => {
  await using server = await serveWithResets({ onPeer: echo });
  const events = new Recorder<{ message: MessageEvent; close: CloseEvent }>();
  const socket = new WebSocket(server.url);
  socket.onopen = () => {
    for (let i = 0; i < 1000; i++) socket.send(String(i).repeat(i));
    socket.close(3000);
  };
  socket.onmessage = events.on("message");
  socket.onclose = events.on("close");
  const { code, wasClean } = await events.next("close");
  assertEquals([code, wasClean], [3000, true]);
  const got = events.all("message").map(({ data }) => data);
  assertEquals(
    got,
    Array.from({ length: 1000 }, (_, i) => String(i).repeat(i)),
  );
});

Deno.test("all bytes are written, however few are taken at a time", async () => {
  const written: number[] = [];
  const transport: Transport = {
    read: () => Promise.resolve(null),
    write: (bytes) => {
      written.push(...bytes.subarray(0, 3));
      return Promise.resolve(Math.min(3, bytes.length));
    },
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  await writeAll(transport, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
  assertEquals(written, [1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("lingering ends when the other side hangs up", async () => {
  using pair = await tcpPair();
  const lingering = linger(pair.server);
  assertEquals(await pair.client.read(new Uint8Array(1)), null);
  await pair.client.write(new Uint8Array(10_000));
  pair.client.close();
  await lingering;
});

Deno.test("lingering ends when the connection is closed here", async () => {
  using pair = await tcpPair();
  const lingering = linger(pair.server);
  pair.server.close();
  await lingering;
});

Deno.test("what is closed already may be closed again", async () => {
  using pair = await tcpPair();
  closeQuietly(pair.server);
  closeQuietly(pair.server);
});

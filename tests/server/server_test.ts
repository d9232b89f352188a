import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import fc from "fast-check";
import { echo } from "../../src/server/behaviours.ts";
import { parseChaos } from "../../src/server/chaos.ts";
import { serve } from "../../src/server/server.ts";
import { certificates } from "../support/certificates.ts";
import { Recorder, within } from "../support/events.ts";
import { clientFrame, RawClient, requestHead } from "../support/raw_client.ts";

/** Connects without a handshake, writes, and reads the answer to its end. */
async function answerTo(port: number, head: string): Promise<string> {
  using client = await RawClient.connect(port, "");
  await client.write(new TextEncoder().encode(head));
  return new TextDecoder().decode(await client.readToEnd());
}

async function assertEchoes(port: number): Promise<void> {
  using client = await RawClient.connect(port);
  await client.write(clientFrame(1, "still there?"));
  assertEquals(await client.readText(), "still there?");
}

Deno.test("a server tells where it is", async () => {
  await using server = serve({ onPeer: echo });
  assertEquals(server.url, `ws://127.0.0.1:${server.port}`);
  assertEquals(server.addr.port, server.port);
  assertThrows(
    () => serve({ onPeer: echo, port: server.port }),
    Deno.errors.AddrInUse,
  );
});

Deno.test("the runtime's client opens with what the server chose", async () => {
  await using server = serve({ onPeer: echo, subprotocols: ["b", "c"] });
  const events = new Recorder<{ open: Event; close: Event }>();
  const socket = new WebSocket(`${server.url}/path?x=1`, {
    protocols: ["a", "c", "b"],
    headers: { "x-token": "secret" },
  });
  socket.onopen = events.on("open");
  socket.onclose = events.on("close");
  await events.next("open");
  assertEquals(socket.protocol, "b");
  const [peer] = server.peers;
  assertEquals(peer?.protocol, "b");
  assertEquals(peer?.request.path, "/path?x=1");
  assertEquals(peer?.request.headers.get("x-token"), "secret");
  assertEquals(peer?.request.remote.hostname, "127.0.0.1");
  socket.close();
  await events.next("close");
  await peer?.closed;
  assertEquals(server.peers.size, 0);
});

Deno.test("a server speaks TLS", async () => {
  const { ca, good } = await certificates();
  await using server = serve({ onPeer: echo, tls: good });
  using client = Deno.createHttpClient({ caCerts: [ca] });
  const events = new Recorder<{ message: MessageEvent; close: CloseEvent }>();
  const socket = new WebSocket(server.url, { client });
  socket.onopen = () => socket.send("x".repeat(100_000));
  socket.onmessage = events.on("message");
  socket.onclose = events.on("close");
  assertEquals((await events.next("message")).data.length, 100_000);
  socket.close(1000);
  assertEquals((await events.next("close")).wasClean, true);
});

Deno.test("a handshake may be refused with any status and headers", async () => {
  await using server = serve({
    onPeer: echo,
    accept: async ({ path }) => {
      await Promise.resolve();
      if (path === "/open") return undefined;
      return { status: 429, headers: { "retry-after": "7" }, body: "slowly" };
    },
  });
  const answer = await answerTo(server.port, requestHead("/"));
  assertMatch(answer, /^HTTP\/1\.1 429 .*\r\nretry-after: 7\r\n.*slowly$/s);
  assertMatch(await answerTo(server.port, requestHead("/x")), /429/);
  using client = await RawClient.connect(server.port, requestHead("/open"));
  await client.write(clientFrame(1, "x"));
  assertEquals(await client.readText(), "x");
});

Deno.test("what is no WebSocket request is told so", async () => {
  await using server = serve({ onPeer: echo });
  const status = async (head: string) =>
    Number(/^HTTP\/1\.1 (\d+)/.exec(await answerTo(server.port, head))?.[1]);
  assertEquals(await status("GET / HTTP/1.1\r\nhost: x\r\n\r\n"), 426);
  assertEquals(await status("nonsense\r\n\r\n"), 400);
  assertEquals(await status(requestHead("/", { host: undefined })), 400);
  assertEquals(await status(`GET /${"x".repeat(20_000)}`), 431);
  const response = await fetch(server.url.replace("ws", "http"));
  assertEquals([response.status, await response.text()], [
    426,
    "this is a WebSocket server\n",
  ]);
});

const NOT_HTTP: readonly [what: string, bytes: Uint8Array][] = [
  ["a TLS handshake", Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3)],
  ["HTTP/2", new TextEncoder().encode("PRI * HTTP/2.0\r\n")],
  ["a line of text", new TextEncoder().encode("hello\n")],
  ["an endless word", new TextEncoder().encode("A".repeat(100))],
];

for (const [what, bytes] of NOT_HTTP) {
  Deno.test(`${what} instead of a request is answered at once`, async () => {
    await using server = serve({ onPeer: echo });
    using client = await RawClient.connect(server.port, "");
    await client.write(bytes);
    assertMatch(await client.readHead(), /^HTTP\/1\.1 400 /);
  });
}

Deno.test("a request may come byte by byte", async () => {
  await using server = serve({ onPeer: echo });
  using client = await RawClient.connect(server.port, "");
  for (const byte of new TextEncoder().encode(requestHead())) {
    await client.write(Uint8Array.of(byte));
  }
  assertMatch(await client.readHead(), /^HTTP\/1\.1 101 /);
});

Deno.test("frames may come right behind the request", async () => {
  await using server = serve({ onPeer: echo });
  using client = await RawClient.connect(server.port, "");
  const head = new TextEncoder().encode(requestHead());
  const frame = clientFrame(2, new Uint8Array(3_000));
  await client.write(Uint8Array.of(...head, ...frame));
  await client.readHead();
  assertEquals((await client.readFrame())?.payload, new Uint8Array(3_000));
});

Deno.test("a handshake that takes too long is given up", async () => {
  using time = new FakeTime();
  await using server = serve({ onPeer: echo, handshakeTimeout: 20 });
  using client = await RawClient.connect(server.port, "");
  await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  // Accepted after the one that takes too long.
  using open = await RawClient.connect(server.port);
  time.tick(20);
  assertEquals(await client.readHead(), "");
  await open.write(clientFrame(1, "still there"));
  assertEquals(await open.readText(), "still there");
});

Deno.test("a refusal arrives, whatever else the client has sent", async () => {
  await using server = serve({
    onPeer: echo,
    accept: () => ({ status: 403 }),
  });
  using client = await RawClient.connect(server.port, "");
  const head = new TextEncoder().encode(requestHead());
  await client.write(head);
  // More than the server reads: it must not reset what it has said.
  await client.write(new Uint8Array(200_000));
  assertMatch(await client.readHead(), /^HTTP\/1\.1 403 /);
  for (let turn = 0; turn < 10; turn++) {
    await client.write(new Uint8Array(64 * 1024));
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals([...await client.readToEnd()], []);
});

Deno.test("chaos refuses every Nth handshake", async () => {
  await using server = serve({
    onPeer: echo,
    chaos: parseChaos("refuse=503/3", 1),
  });
  const opened: boolean[] = [];
  for (let turn = 0; turn < 6; turn++) {
    using client = await RawClient.connect(server.port, "");
    await client.write(new TextEncoder().encode(requestHead()));
    opened.push((await client.readHead()).startsWith("HTTP/1.1 101"));
  }
  assertEquals(opened, [true, true, false, true, true, false]);
});

Deno.test("closing ends every connection with 1001, and leaves nothing behind", async () => {
  const server = serve({ onPeer: echo });
  using open = await RawClient.connect(server.port);
  using shaking = await RawClient.connect(server.port, "");
  await shaking.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
  const closed = server.close();
  assertEquals(server.close(), closed);
  const frame = await open.readFrame();
  assertEquals([frame?.opcode, ...frame?.payload ?? []], [8, 0x03, 0xe9]);
  await open.write(clientFrame(8, Uint8Array.of(0x03, 0xe9)));
  assertEquals(await shaking.readHead(), "");
  await closed;
  await assertRejects(
    () => Deno.connect({ hostname: "127.0.0.1", port: server.port }),
    Deno.errors.ConnectionRefused,
  );
});

Deno.test("closing does not wait long for clients that do not answer", async () => {
  const server = serve({ onPeer: echo, closeTimeout: 20 });
  using silent = await RawClient.connect(server.port);
  using lost = await RawClient.connect(server.port);
  const [, second] = server.peers;
  second?.blackhole();
  await server.close();
  assertEquals(server.peers.size, 0);
  assertEquals([...await lost.readToEnd()], []);
  assertEquals((await silent.readFrame())?.opcode, 8);
});

Deno.test("a handshake that the program never decides does not hold up the end", async () => {
  const asked = Promise.withResolvers<void>();
  const server = serve({
    onPeer: echo,
    accept: () => {
      asked.resolve();
      return new Promise(() => {});
    },
  });
  using client = await RawClient.connect(server.port, "");
  await client.write(new TextEncoder().encode(requestHead()));
  await asked.promise;
  await within(server.close(), "the server's end");
  assertEquals(await client.readHead(), "");
});

Deno.test("a signal closes the server", async () => {
  const abort = new AbortController();
  const { signal } = abort;
  const server = serve({ onPeer: echo, signal });
  using client = await RawClient.connect(server.port);
  abort.abort();
  assertEquals((await client.readFrame())?.opcode, 8);
  client[Symbol.dispose]();
  await server.close();
  assertThrows(() => serve({ onPeer: echo, signal }), DOMException);
});

Deno.test("a signal that outlives the server is left alone", async () => {
  const { signal } = new AbortController();
  const left: unknown[] = [];
  const remove = signal.removeEventListener.bind(signal);
  signal.removeEventListener = (type: string, listener: EventListener) => {
    left.push(type);
    remove(type, listener);
  };
  await serve({ onPeer: echo, signal }).close();
  assertEquals(left, ["abort"]);
});

Deno.test("an error of the handler is reported, and closes with 1011", async () => {
  const failures: unknown[] = [];
  const bug = new Error("bug");
  await using server = serve({
    onPeer: () => Promise.reject(bug),
    onError: (error) => failures.push(error),
  });
  using client = await RawClient.connect(server.port);
  assertEquals((await client.readFrame())?.payload, Uint8Array.of(0x03, 0xf3));
  assertEquals(failures, [bug]);
});

Deno.test("without onError, close() rejects with the first error", async () => {
  const server = serve({
    onPeer: echo,
    accept: () => {
      throw new Error("bug");
    },
  });
  assertMatch(await answerTo(server.port, requestHead()), /^HTTP\/1\.1 500 /);
  await assertRejects(() => server.close(), Error, "bug");
});

Deno.test("a handler whose peer has left is no failure", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = serve({
    onPeer: async (peer) => {
      await peer.closed;
      ended.resolve();
      await peer.send("too late");
    },
  });
  const client = await RawClient.connect(server.port);
  client[Symbol.dispose]();
  await ended.promise;
});

Deno.test("hostile clients do not disturb the others", async () => {
  await using server = serve({ onPeer: echo, maxMessageBytes: 1000 });
  using bystander = await RawClient.connect(server.port);
  const attacks: ((client: RawClient) => Promise<unknown>)[] = [
    // Gone before a word, in the head, and right after it.
    () => Promise.resolve(),
    (c) => c.write(new TextEncoder().encode("GET / HT")),
    (c) => c.write(new TextEncoder().encode(requestHead())),
    // Never ends its head.
    (c) => c.write(new Uint8Array(100_000).fill(65)),
    // Speaks TLS, or HTTP/2.
    (c) => c.write(Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3)),
    (c) =>
      c.write(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    // Open, then wrong.
    ...[
      clientFrame(2, new Uint8Array(1001)),
      clientFrame(2, "", { lengthBytes: 8, length: 2 ** 62 }),
      clientFrame(1, Uint8Array.of(0xff)),
      clientFrame(0, "x"),
      clientFrame(1, "half a message", { fin: false }),
      clientFrame(1, "half a frame").slice(0, 9),
      clientFrame(1, "not masked", { mask: undefined }),
    ].map((frame) => async (c: RawClient) => {
      await c.write(new TextEncoder().encode(requestHead()));
      await c.readHead();
      await c.write(frame);
    }),
  ];
  for (const attack of attacks) {
    using client = await RawClient.connect(server.port, "");
    await attack(client);
    await bystander.write(clientFrame(1, "x"));
    assertEquals(await bystander.readText(), "x");
  }
  await assertEchoes(server.port);
});

Deno.test("a violation is answered with its code before the end", async () => {
  await using server = serve({ onPeer: echo, maxMessageBytes: 1000 });
  const codeFor = async (frame: Uint8Array) => {
    using client = await RawClient.connect(server.port);
    await client.write(frame);
    // More than the server reads: it must not reset what it has said.
    await client.write(new Uint8Array(200_000));
    const answer = await client.readFrame();
    const [high = 0, low = 0] = answer?.payload ?? [];
    assertEquals(await client.readFrame(), undefined);
    return high * 256 + low;
  };
  assertEquals(await codeFor(clientFrame(3)), 1002);
  assertEquals(await codeFor(clientFrame(1, Uint8Array.of(0xff))), 1007);
  assertEquals(await codeFor(clientFrame(2, new Uint8Array(1001))), 1009);
});

Deno.test("whatever bytes come after the handshake, the server lives", async () => {
  await using server = serve({
    onPeer: echo,
    maxMessageBytes: 1000,
    closeTimeout: 50,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 50 }),
          fc.tuple(fc.nat(15), fc.uint8Array({ maxLength: 200 }), fc.boolean())
            .map(([opcode, payload, fin]) =>
              clientFrame(opcode, payload, { fin })
            ),
        ),
        { maxLength: 10 },
      ),
      async (chunks) => {
        using client = await RawClient.connect(server.port);
        try {
          for (const chunk of chunks) await client.write(chunk);
          await client.conn.closeWrite();
          await client.readToEnd();
        } catch (error) {
          // The server has hung up on it.
          assertEquals(
            error instanceof Deno.errors.BrokenPipe ||
              error instanceof Deno.errors.ConnectionReset ||
              error instanceof Deno.errors.NotConnected,
            true,
            String(error),
          );
        }
      },
    ),
    { numRuns: 200 },
  );
  await assertEchoes(server.port);
});

Deno.test("whatever bytes come instead of a handshake, the server lives", async () => {
  await using server = serve({ onPeer: echo });
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 100 }),
      fc.boolean(),
      async (noise, ended) => {
        using client = await RawClient.connect(server.port, "");
        await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
        await client.write(noise);
        if (ended) await client.write(new TextEncoder().encode("\r\n\r\n"));
        await client.conn.closeWrite();
        const answer = new TextDecoder().decode(await client.readToEnd());
        assertMatch(answer, /^$|^HTTP\/1\.1 4\d\d /);
      },
    ),
    { numRuns: 100 },
  );
  await assertEchoes(server.port);
});

/** The quirks of the runtime's socket that must not show. */

import { assert, assertEquals } from "@std/assert";
import type { Message } from "../../../src/message.ts";
import type { Peer } from "../../../src/server/peer.ts";
import { serve } from "../../../src/server/server.ts";
import type {
  Socket,
  SocketEnd,
  SocketListener,
} from "../../../src/transport/transport.ts";
import { attemptTo } from "../../support/attempts.ts";
import { Ear } from "../../support/ear.ts";
import { within } from "../../support/events.ts";
import { TcpPeer, type TcpScript, upgrade } from "../../support/tcp_peer.ts";

/** Reads until a close frame comes, then does this. */
function afterClose(then: TcpScript): TcpScript {
  return upgrade({
    then: async (exchange) => {
      const buffer = new Uint8Array(1024);
      for (;;) {
        const count = await exchange.conn.read(buffer);
        if (count === null || buffer[0] === 0x88) break;
      }
      await then(exchange);
    },
  });
}

async function closedBy(then: TcpScript): Promise<SocketEnd> {
  await using peer = new TcpPeer(afterClose(then));
  const socket = await attemptTo(peer.url);
  const ear = new Ear(socket);
  socket.close(4000, "bye", 2_000);
  return await within(ear.ended, "the end");
}

Deno.test("a server that answers our close frame ends it cleanly, with our code", async () => {
  const end = await closedBy(async ({ write, gone }) => {
    await write(Uint8Array.of(0x88, 2, 4000 >> 8, 4000 & 255));
    await gone();
  });
  assertEquals([end.code, end.wasClean], [4000, true]);
});

Deno.test("a server that closes with a code of its own at the same time is heard", async () => {
  const end = await closedBy(async ({ write, gone }) => {
    await write(Uint8Array.of(0x88, 2, 4001 >> 8, 4001 & 255));
    await gone();
  });
  assertEquals([end.code, end.wasClean], [4001, true]);
});

Deno.test("a server that just hangs up after our close frame has not answered: 1006", async () => {
  const end = await closedBy(() => {});
  assertEquals([end.code, end.wasClean, end.reason], [1006, false, ""]);
});

Deno.test("a server that never answers our close frame is given up in time: 1006", async () => {
  await using peer = new TcpPeer(upgrade());
  const socket = await attemptTo(peer.url);
  const ear = new Ear(socket);
  socket.close(1000, "", 100);
  const end = await within(ear.ended, "the end");
  assertEquals([end.code, end.wasClean], [1006, false]);
});

Deno.test("only the first close() counts", async () => {
  const closes: Promise<{ code: number }>[] = [];
  await using server = serve({
    onPeer: (peer) => void closes.push(peer.closed),
  });
  const socket = await attemptTo(server.url);
  const ear = new Ear(socket);
  socket.close(4000, "first", 5_000);
  socket.close(4001, "second", 1);
  const end = await within(ear.ended, "the end");
  assertEquals(end.code, 4000);
  const [closed] = await Promise.all(closes);
  assertEquals(closed?.code, 4000);
});

/** Counts everything. */
class Counter implements SocketListener {
  readonly messages: Message[] = [];
  ends = 0;

  onMessage(data: Message): void {
    this.messages.push(data);
  }

  onEnd(): void {
    this.ends++;
  }
}

async function connected(): Promise<
  AsyncDisposable & { socket: Socket; peer: Peer }
> {
  const arrived = Promise.withResolvers<Peer>();
  const server = serve({ closeTimeout: 200, onPeer: arrived.resolve });
  const socket = await attemptTo(server.url);
  const peer = await arrived.promise;
  return {
    socket,
    peer,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

Deno.test("terminate() reports the end at once and once, and nothing after it", async () => {
  await using both = await connected();
  const { socket, peer } = both;
  const counter = new Counter();
  socket.listen(counter);
  await peer.send("before");
  while (counter.messages.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  // On its way when the socket is terminated.
  peer.send("after").catch(() => {});
  socket.terminate();
  assertEquals(counter.ends, 1);
  socket.terminate();
  await within(peer.closed, "the end of the peer");
  assertEquals([counter.messages, counter.ends], [["before"], 1]);
});

Deno.test("what arrives before somebody listens is kept, the end behind it", async () => {
  await using server = serve({
    onPeer: async (peer) => {
      await peer.send("1");
      await peer.send(Uint8Array.of(2));
      await peer.close(4002, "done");
    },
  });
  const socket = await attemptTo(server.url);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const ear = new Ear(socket);
  const { code, reason, wasClean } = await within(ear.ended, "the end");
  assertEquals(ear.heard, ["1", Uint8Array.of(2)]);
  assertEquals([code, reason, wasClean], [4002, "done", true]);
});

Deno.test("a view of shared memory is copied, and sent", async () => {
  await using both = await connected();
  const { socket, peer } = both;
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  shared.set([1, 2, 3, 4]);
  socket.send(shared.subarray(1, 3));
  assertEquals(await peer.receive(), Uint8Array.of(2, 3));
  socket.terminate();
});

Deno.test("bufferedAmount is unknown, not 0, once the socket is not open", async () => {
  await using both = await connected();
  const { socket } = both;
  assertEquals(socket.bufferedAmount, 0);
  socket.close(1000, "", 1_000);
  assertEquals(socket.bufferedAmount, undefined);
  assert(socket.bytesRead === undefined);
  socket.terminate();
});

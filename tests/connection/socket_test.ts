import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  dial,
  type DialOptions,
  HandshakeFailure,
  Socket,
} from "../../src/connection/socket.ts";
import type { Message } from "../../src/message.ts";
import { Ear } from "../support/ear.ts";
import { within } from "../support/events.ts";
import {
  closeAfterRequest,
  sendBytes,
  TcpPeer,
  type TcpScript,
  upgrade,
} from "../support/tcp_peer.ts";

function dialTo(
  url: string,
  options: Partial<DialOptions> = {},
): Promise<Socket> {
  const { signal } = new AbortController();
  return dial({ url: new URL(url), subprotocols: [], signal, ...options });
}

/** A text frame of a few bytes (RFC 6455, section 5.2). */
function frame(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [0x81, bytes.length, ...bytes];
}

/** Speaks when told to, and notices what becomes of the connection. */
class Partner {
  readonly #writers: ((bytes: number[]) => Promise<void>)[] = [];
  readonly #gone = Promise.withResolvers<void>();
  readonly #heard = Promise.withResolvers<Uint8Array>();

  readonly script: TcpScript = upgrade({
    then: async (exchange) => {
      this.#writers.push((bytes) => exchange.write(Uint8Array.from(bytes)));
      const buffer = new Uint8Array(1024);
      const length = await exchange.conn.read(buffer);
      this.#heard.resolve(buffer.slice(0, length ?? 0));
      await exchange.gone();
      this.#gone.resolve();
    },
  });

  /** The bytes that came first. */
  get heard(): Promise<Uint8Array> {
    return within(this.#heard.promise, "bytes");
  }

  /** The client has hung up. */
  get gone(): Promise<void> {
    return within(this.#gone.promise, "the end");
  }

  async say(...bytes: number[]): Promise<void> {
    for (const write of this.#writers) await write(bytes);
  }
}

/** Resolves with the first so many messages. */
function collect(socket: Socket, count: number): Promise<Message[]> {
  const { promise, resolve } = Promise.withResolvers<Message[]>();
  const messages: Message[] = [];
  new Ear(socket, (data) => {
    messages.push(data);
    if (messages.length === count) resolve(messages);
  });
  return within(promise, `${count} messages`);
}

Deno.test("texts come as strings, binary as Uint8Array", async () => {
  await using peer = new TcpPeer(
    upgrade({ then: sendBytes(...frame("grüße"), 0x82, 2, 0, 255) }),
  );
  const socket = await dialTo(peer.url);
  const messages = await collect(socket, 2);
  assertEquals(messages, ["grüße", Uint8Array.of(0, 255)]);
  socket.abandon();
});

/** An open socket, and what makes a message come in at once. */
async function opened(url: string) {
  const native = new WebSocket(url);
  await new Promise((resolve) => native.onopen = resolve);
  return {
    native,
    socket: new Socket(native),
    comeIn: (data: string) =>
      native.dispatchEvent(new MessageEvent("message", { data })),
  };
}

Deno.test("what came before anybody listened is told in order, the end too", async () => {
  await using peer = new TcpPeer(upgrade());
  const { socket, native, comeIn } = await opened(peer.url);
  comeIn("a");
  comeIn("");
  native.dispatchEvent(new CloseEvent("close", { code: 4001, reason: "bye" }));
  comeIn("too late");
  const ear = new Ear(socket);
  assertEquals(ear.heard, ["a", ""]);
  const end = { code: 4001, reason: "bye", wasClean: false };
  assertEquals(await ear.ended, end);
  socket.abandon();
});

Deno.test("a listener that abandons the socket hears nothing more", async () => {
  await using peer = new TcpPeer(upgrade());
  const { socket, comeIn } = await opened(peer.url);
  comeIn("a");
  comeIn("b");
  const ear = new Ear(socket, () => socket.abandon());
  comeIn("c");
  assertEquals(ear.heard, ["a"]);
  assertEquals((await ear.ended).code, 1006);
});

Deno.test("a close frame gives its code and reason", async () => {
  await using peer = new TcpPeer(
    upgrade({ then: sendBytes(0x88, 5, 0x0f, 0xa1, 98, 121, 101) }),
  );
  const socket = await dialTo(peer.url);
  const end = { code: 4001, reason: "bye", wasClean: true };
  assertEquals(await new Ear(socket).ended, end);
});

Deno.test("a drop is 1006, not clean, with the runtime's text", async () => {
  await using peer = new TcpPeer(upgrade({ then: () => {} }));
  const socket = await dialTo(peer.url);
  assertEquals(await new Ear(socket).ended, {
    code: 1006,
    reason: "",
    wasClean: false,
    message: "Unexpected EOF",
  });
});

Deno.test("bufferedAmount counts what is not on the network, and is undefined when unknown", async () => {
  await using peer = new TcpPeer(upgrade());
  const socket = await dialTo(peer.url);
  assertEquals(socket.bufferedAmount, 0);
  socket.send("grüße");
  socket.send(new Uint8Array(3));
  assertEquals(socket.bufferedAmount, 10);
  socket.close(1000, "", 5_000);
  assertEquals(socket.bufferedAmount, undefined);
});

Deno.test("handed counts what was handed over", async () => {
  await using peer = new TcpPeer(upgrade());
  const socket = await dialTo(peer.url);
  socket.send("grüße");
  socket.send(new Uint8Array(3));
  assertEquals(socket.handed, 8);
  socket.abandon();
});

Deno.test("a view of shared memory is sent like any other", async () => {
  const partner = new Partner();
  await using peer = new TcpPeer(partner.script);
  const socket = await dialTo(peer.url);
  const shared = new Uint8Array(new SharedArrayBuffer(3), 1);
  shared.set([7, 8]);
  socket.send(shared);
  const [opcode, length, ...rest] = await partner.heard;
  assertEquals([opcode, length], [0x82, 0x80 | 2]);
  const [mask, payload] = [rest.slice(0, 4), rest.slice(4)];
  assertEquals(payload.map((byte, i) => byte ^ (mask[i] ?? 0)), [7, 8]);
  socket.abandon();
});

Deno.test("after close() the end is the answer of the peer", async () => {
  const answers: TcpScript = async (exchange) => {
    // A masked close frame of four bytes and more; the payload is the code.
    const buffer = new Uint8Array(64);
    await exchange.conn.read(buffer);
    const [, , m0 = 0, m1 = 0, , , p0 = 0, p1 = 0] = buffer;
    await exchange.write(Uint8Array.of(0x88, 2, p0 ^ m0, p1 ^ m1));
    await exchange.gone();
  };
  await using peer = new TcpPeer(upgrade({ then: answers }));
  const socket = await dialTo(peer.url);
  const { ended } = new Ear(socket);
  socket.close(3210, "why", 5_000);
  assertEquals(await ended, {
    code: 3210,
    reason: "",
    wasClean: true,
  });
});

Deno.test("a peer that hangs up instead of an answer to close() is 1006, not clean", async () => {
  const hangsUp: TcpScript = async ({ conn }) => {
    await conn.read(new Uint8Array(64));
  };
  await using peer = new TcpPeer(upgrade({ then: hangsUp }));
  const socket = await dialTo(peer.url);
  const { ended } = new Ear(socket);
  socket.close(1000, "", 5_000);
  const { code, wasClean } = await ended;
  assertEquals([code, wasClean], [1006, false]);
});

Deno.test("a peer that never answers close() is abandoned in time", async () => {
  const partner = new Partner();
  await using peer = new TcpPeer(partner.script);
  const socket = await dialTo(peer.url);
  const end = { code: 1006, reason: "", wasClean: false };
  const { ended } = new Ear(socket);
  socket.close(1000, "", 30);
  assertEquals(await ended, end);
});

Deno.test("a limit longer than a timer can be is not over at once", async () => {
  const partner = new Partner();
  await using peer = new TcpPeer(partner.script);
  const socket = await dialTo(peer.url);
  const { ended } = new Ear(socket);
  socket.close(1000, "", 2 ** 32);
  await partner.heard; // our close frame, which is not answered
  const noEnd = new Promise((resolve) => setTimeout(resolve, 20, "no end"));
  assertEquals(await Promise.race([ended, noEnd]), "no end");
  socket.abandon();
});

Deno.test("a second close() changes nothing", async () => {
  const partner = new Partner();
  await using peer = new TcpPeer(partner.script);
  const socket = await dialTo(peer.url);
  const { ended } = new Ear(socket);
  socket.close(1000, "", 30);
  socket.close(4000, "", 60_000);
  assertEquals((await ended).code, 1006);
  const bytes = await partner.heard;
  assertEquals(bytes.length, 8, "one close frame");
});

Deno.test("a second close() does not shorten the first", async () => {
  await using peer = new TcpPeer(upgrade());
  const socket = await dialTo(peer.url);
  using time = new FakeTime();
  let hasEnded = false;
  const { ended } = new Ear(socket);
  ended.then(() => hasEnded = true);
  socket.close(1000, "", 60_000);
  socket.close(1000, "", 10);
  await time.tickAsync(59_999);
  assertEquals(hasEnded, false);
  await time.tickAsync(1);
  assertEquals((await ended).code, 1006);
});

Deno.test("close() refuses a code that must not be sent, and the socket stays open", async () => {
  await using peer = new TcpPeer(upgrade());
  const socket = await dialTo(peer.url);
  assertThrows(() => socket.close(1006, "", 30), DOMException);
  assertEquals(socket.bufferedAmount, 0);
  socket.abandon();
});

Deno.test("abandon() ends at once, and the peer is told", async () => {
  const partner = new Partner();
  await using peer = new TcpPeer(partner.script);
  const socket = await dialTo(peer.url);
  const ear = new Ear(socket);
  socket.abandon();
  const end = { code: 1006, reason: "", wasClean: false };
  assertEquals(await ear.ended, end);
  const [opcode] = await partner.heard;
  assertEquals(opcode, 0x88);
  // Both the message and the answer are for nobody; then the peer may go.
  await partner.say(...frame("late"), 0x88, 0);
  await partner.gone;
  assertEquals(ear.heard, []);
});

Deno.test("a handshake that fails rejects with the runtime's text", async () => {
  await using peer = new TcpPeer(closeAfterRequest);
  const error = await assertRejects(() => dialTo(peer.url), HandshakeFailure);
  assertMatch(error.message, /connection closed before message completed/);
  assertInstanceOf(error.cause, Error);
});

Deno.test({
  name: "without the permission dial() rejects with NotCapable",
  permissions: { net: false },
  fn: async () => {
    await assertRejects(
      () => dialTo("ws://127.0.0.1:9"),
      Deno.errors.NotCapable,
    );
  },
});

Deno.test("headers and subprotocols are sent", async () => {
  await using peer = new TcpPeer(
    upgrade({ headers: { "sec-websocket-protocol": "b" } }),
  );
  const socket = await dialTo(peer.url, {
    headers: new Headers({ authorization: "Bearer x", cookie: "a=b" }),
    subprotocols: ["a", "b"],
  });
  assertEquals([socket.protocol, socket.url], ["b", `${peer.url}/`]);
  const { headers } = peer.requests[0] ?? {};
  assertEquals(headers?.get("authorization"), "Bearer x");
  assertEquals(headers?.get("cookie"), "a=b");
  assertEquals(headers?.get("sec-websocket-protocol"), "a, b");
  socket.abandon();
});

Deno.test("an aborted signal rejects with its reason, and nothing is dialled", async () => {
  await using peer = new TcpPeer(upgrade());
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const thrown = await assertRejects(() => dialTo(peer.url, { signal }));
  assertEquals(thrown, reason);
  assertEquals(peer.connections, 0);
});

Deno.test("an abort while it connects rejects at once, and the peer sees the end", async () => {
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  await using peer = new TcpPeer(async (exchange) => {
    await exchange.readRequest();
    asked.resolve();
    await exchange.gone();
    gone.resolve();
  });
  const controller = new AbortController();
  const dialled = dialTo(peer.url, { signal: controller.signal });
  await asked.promise;
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await assertRejects(() => dialled), reason);
  await within(gone.promise, "the end");
});

Deno.test("an abort after the open leaves the socket alone", async () => {
  const partner = new Partner();
  await using peer = new TcpPeer(partner.script);
  const controller = new AbortController();
  const socket = await dialTo(peer.url, { signal: controller.signal });
  controller.abort();
  const heard = collect(socket, 1);
  await partner.say(...frame("still here"));
  assertEquals(await heard, ["still here"]);
  socket.abandon();
});

Deno.test("no listener is left on the signal, whatever came of it", async () => {
  await using peer = new TcpPeer([upgrade(), closeAfterRequest]);
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  const socket = await dialTo(peer.url, { signal });
  assertEquals(listeners, 0);
  await assertRejects(() => dialTo(peer.url, { signal }), HandshakeFailure);
  assertEquals(listeners, 0);
  socket.abandon();
});

/**
 * What this project relies on in the runtime's WebSocket and does not control:
 * one test for each fact, so that a Deno that changes one is noticed here first
 * and not by a user.
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { certificates } from "./support/certificates.ts";
import { Recorder, within } from "./support/events.ts";
import {
  closeAfterRequest,
  garbage,
  noUpgradeHeader,
  respondStatus,
  sendBytes,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
  wrongSubprotocol,
} from "./support/tcp_peer.ts";

const { ca, good, unknown } = await certificates();

type Events = {
  open: Event;
  message: MessageEvent;
  error: Event | ErrorEvent;
  close: CloseEvent;
};

interface Opened {
  readonly socket: WebSocket;
  readonly events: Recorder<Events>;
}

function open(url: string | URL, options: WebSocketOptions = {}): Opened {
  const events = new Recorder<Events>();
  const socket = new WebSocket(url, options);
  socket.onopen = events.on("open");
  socket.onmessage = events.on("message");
  socket.onerror = events.on("error");
  socket.onclose = events.on("close");
  return { socket, events };
}

function textOf(event: Event | ErrorEvent): string {
  assert(event instanceof ErrorEvent);
  return event.message;
}

/** What the runtime says of a handshake with such a peer. */
async function refusal(
  url: string,
  options: WebSocketOptions = {},
): Promise<string> {
  const { events } = open(url, options);
  const { code, wasClean } = await events.next("close");
  assertEquals([code, wasClean], [0, false]);
  assertEquals(events.names, ["error", "close"]);
  return textOf(await events.next("error"));
}

/** The headers of a handshake, for fetch(). */
const HANDSHAKE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13",
};

Deno.test("fact 1: a dropped link ends with an error and the code 0", async () => {
  await using peer = new TcpPeer(upgrade({ then: () => {} }));
  const { events } = open(peer.url);
  const { code, wasClean } = await events.next("close");
  assertEquals([code, wasClean], [0, false]);
  assertEquals(events.names, ["open", "error", "close"]);
  assertEquals(textOf(await events.next("error")), "Unexpected EOF");
});

Deno.test("fact 2: on ws:// the error's text tells what happened", async () => {
  const texts: readonly (readonly [TcpScript, RegExp])[] = [
    [respondStatus(401), /Invalid status code: 401$/],
    [respondStatus(302, { location: "/" }), /Invalid status code: 302$/],
    [garbage, /invalid HTTP version parsed$/],
    [closeAfterRequest, /connection closed before message completed$/],
    [noUpgradeHeader, /Invalid upgrade header$/],
  ];
  for (const [script, text] of texts) {
    await using peer = new TcpPeer(script);
    assertMatch(await refusal(peer.url), text);
    assertEquals(peer.connections, 1);
  }
});

Deno.test("fact 2: on ws:// it tells refused connections and unknown names", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  assertMatch(await refusal(`ws://127.0.0.1:${port}`), /tcp connect error$/);
  assertMatch(await refusal("ws://nowhere.invalid"), /dns error$/);
});

Deno.test("fact 2: Accept is not checked, nor is an unoffered subprotocol", async () => {
  const wrongAccept = upgrade({ headers: { "sec-websocket-accept": "x" } });
  for (const script of [wrongAccept, wrongSubprotocol]) {
    await using peer = new TcpPeer(script);
    const { socket, events } = open(peer.url);
    await events.next("open");
    socket.close();
  }
});

Deno.test("fact 3: on wss:// the runtime's own client asks twice, and hides why", async () => {
  using client = Deno.createHttpClient({ caCerts: [ca] });
  for (const script of [respondStatus(401), respondStatus(503), garbage]) {
    await using peer = new TcpPeer(script, { tls: good });
    assertMatch(await refusal(peer.url, { client }), /receive h2 alpn/);
    assertEquals(peer.connections, 2);
  }
});

Deno.test("fact 3: without HTTP/2 it asks once, and says always the same", async () => {
  using client = Deno.createHttpClient({ caCerts: [ca], http2: false });
  for (const script of [respondStatus(401), respondStatus(503), garbage]) {
    await using peer = new TcpPeer(script, { tls: good });
    const text = await refusal(peer.url, { client });
    assertMatch(text, /HTTP\/2 not supported by this client$/);
    assertEquals(peer.connections, 1);
  }
});

Deno.test("fact 4: fetch() tells the status and headers of a handshake, on both", async () => {
  using client = Deno.createHttpClient({ caCerts: [ca], http2: false });
  const answers: readonly (readonly [TcpScript, number, string, string])[] = [
    [respondStatus(503, { "retry-after": "7" }), 503, "retry-after", "7"],
    [respondStatus(302, { location: "/b" }), 302, "location", "/b"],
    [upgrade(), 101, "upgrade", "websocket"],
  ];
  for (const [script, status, name, value] of answers) {
    for (const tls of [undefined, good]) {
      // Both offered, as a common server does; ours asks for HTTP/1.1 alone.
      const alpn = tls && ["h2", "http/1.1"];
      await using peer = new TcpPeer(script, { tls, alpn });
      const response = await fetch(peer.url.replace("ws", "http"), {
        client,
        headers: HANDSHAKE,
        redirect: "manual",
      });
      await response.body?.cancel();
      assertEquals(response.status, status);
      assertEquals(response.headers.get(name), value);
    }
  }
});

Deno.test("fact 4: fetch() tells why a certificate is not accepted", async () => {
  using client = Deno.createHttpClient({ caCerts: [ca], http2: false });
  await using peer = new TcpPeer(silence, { tls: unknown });
  let text = "";
  try {
    await fetch(peer.url.replace("ws", "http"), { client });
  } catch (error) {
    assert(error instanceof TypeError);
    text = `${error.message} ${error.cause}`;
  }
  assertMatch(text, /invalid peer certificate: UnknownIssuer/);
});

Deno.test("fact 5: a peer that does not answer the close keeps the socket, and is heard", async () => {
  const closing = Promise.withResolvers<void>();
  await using peer = new TcpPeer(upgrade({
    then: async (exchange) => {
      await exchange.conn.read(new Uint8Array(64));
      await exchange.write(Uint8Array.of(0x81, 2, 0x68, 0x69));
      await closing.promise;
    },
  }));
  const { socket, events } = open(peer.url);
  await events.next("open");
  socket.close(1000);
  assertEquals((await events.next("message")).data, "hi");
  assertEquals(socket.readyState, WebSocket.CLOSING);
  assertEquals(events.all("close"), []);
  closing.resolve();
  await events.next("close");
});

Deno.test("after close() the peer's hang-up reads 1005, clean, answered or not", async () => {
  const readClose: TcpScript = async ({ conn }) => {
    await conn.read(new Uint8Array(64));
  };
  await using peer = new TcpPeer(upgrade({ then: readClose }));
  const { socket, events } = open(peer.url);
  await events.next("open");
  socket.close(1000);
  const { code, wasClean } = await events.next("close");
  assertEquals([code, wasClean], [1005, true]);
});

Deno.test("fact 6: bufferedAmount counts payload while open, and reads 0 after", async () => {
  await using peer = new TcpPeer(upgrade());
  const { socket, events } = open(peer.url);
  await events.next("open");
  socket.send("grüße");
  assertEquals(socket.bufferedAmount, 7);
  const stuck = new Uint8Array(1024 * 1024);
  socket.send(stuck);
  assertEquals(socket.bufferedAmount, 7 + stuck.length);
  socket.close();
  assertEquals(socket.bufferedAmount, 0);
});

Deno.test("fact 7: send() throws while connecting, and loses what comes while closing", async () => {
  await using peer = new TcpPeer(upgrade());
  const { socket, events } = open(peer.url);
  assertThrows(() => socket.send("early"), DOMException, "not OPEN");
  await events.next("open");
  socket.close();
  socket.send("late");
});

Deno.test("fact 12: close() takes 1000 and 3000 to 4999, and reasons of 123 bytes", async () => {
  await using peer = new TcpPeer(upgrade());
  const { socket, events } = open(peer.url);
  await events.next("open");
  for (const code of [999, 1001, 1011, 2999, 5000]) {
    assertThrows(() => socket.close(code), DOMException, "close code");
  }
  assertThrows(() => socket.close(1000, "ü".repeat(62)), DOMException, "123");
  assertEquals(socket.readyState, WebSocket.OPEN);
  socket.close(4999, "ü".repeat(61));
});

Deno.test("fact 13: binary messages are Blobs unless told otherwise", async () => {
  await using peer = new TcpPeer(upgrade());
  const { socket, events } = open(peer.url);
  assertEquals(socket.binaryType, "blob");
  await events.next("open");
  socket.close();
});

Deno.test("fact 14: without the permission the constructor throws, and asking needs none", async () => {
  const program = `
    const host = "127.0.0.1:9";
    const { state } = await Deno.permissions.query({ name: "net", host });
    console.log(state);
    try { new WebSocket("ws://" + host); } catch (e) { console.log(e.name); }
  `;
  const deno = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-lock", "--no-prompt", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  await new Blob([program]).stream().pipeTo(deno.stdin);
  const { stdout } = await deno.output();
  assertEquals(new TextDecoder().decode(stdout), "prompt\nNotCapable\n");
});

Deno.test("fact 15: an HTTP proxy is asked for ws:// as for a page, for wss:// to connect", async () => {
  for (const [scheme, line] of [["ws", "GET http"], ["wss", "CONNECT"]]) {
    await using proxy = new TcpPeer(respondStatus(503));
    using client = Deno.createHttpClient({
      http2: false,
      proxy: { url: `http://127.0.0.1:${proxy.port}` },
    });
    await refusal(`${scheme}://target.invalid/feed`, { client });
    assertEquals(proxy.requests[0]?.head.startsWith(`${line}`), true);
  }
});

Deno.test("what connects still is cancelled by close(): the peer sees the end", async () => {
  const gone = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using peer = new TcpPeer(async (exchange) => {
    await exchange.readRequest();
    asked.resolve();
    await exchange.gone();
    gone.resolve();
  });
  const { socket, events } = open(peer.url);
  await asked.promise;
  socket.close();
  await within(gone.promise, "the end of the connection");
  await events.next("close");
});

Deno.test("frames that break the protocol end the link with one of these texts", async () => {
  const frames: readonly (readonly [number[], string])[] = [
    [[0x81, 1, 0xff], "Invalid UTF-8"],
    [[0x83, 0], "Invalid value"],
    [[0xc1, 0], "Reserved bits are not zero"],
    [[0x09, 0], "Control frame must not be fragmented"],
    [[0x89, 126, 0, 200], "Ping frame too large"],
    [[0x80, 0], "Invalid continuation frame"],
    [[0x01, 0, 0x81, 0], "Invalid fragment"],
    [[0x88, 1, 3], "Invalid close frame"],
    [[0x88, 2, 3, 0xed], "Invalid close code"],
    [[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0], "Frame too large"],
  ];
  for (const [bytes, text] of frames) {
    await using peer = new TcpPeer(upgrade({ then: sendBytes(...bytes) }));
    const { events } = open(peer.url);
    assertEquals((await events.next("close")).code, 0);
    assertEquals(textOf(await events.next("error")), text);
  }
});

import { assertEquals, assertRejects } from "@std/assert";
import { certificates } from "./certificates.ts";
import { Recorder } from "./events.ts";
import {
  badFragmentedPing,
  badOpcode,
  badReservedBit,
  badUtf8,
  closeAfterRequest,
  closeAtOnce,
  garbage,
  noUpgradeHeader,
  resetAtOnce,
  respondStatus,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
  wrongSubprotocol,
} from "./tcp_peer.ts";

/** Dials, waits for the end; the texts of the errors and whether it opened. */
async function reason(url: string, client?: Deno.HttpClient) {
  const events = new Recorder<{ open: Event; error: Event; close: Event }>();
  const socket = client === undefined
    ? new WebSocket(url)
    : new WebSocket(url, { client });
  socket.onopen = events.on("open");
  socket.onerror = events.on("error");
  socket.onclose = events.on("close");
  await events.next("close");
  const [error] = events.all("error");
  return {
    opened: events.all("open").length === 1,
    error: error instanceof ErrorEvent
      ? error.message.replace(/^.*failed to connect to WebSocket: /, "")
      : undefined,
  };
}

// FACTS of the runtime on which the client's diagnosis rests.
const CASES: readonly [string, TcpScript, boolean, string][] = [
  [
    "closeAtOnce",
    closeAtOnce,
    false,
    "connection closed before message completed",
  ],
  [
    "closeAfterRequest",
    closeAfterRequest,
    false,
    "connection closed before message completed",
  ],
  [
    "resetAtOnce",
    resetAtOnce,
    false,
    "connection closed before message completed",
  ],
  ["garbage", garbage, false, "invalid HTTP version parsed"],
  ["a status", respondStatus(503), false, "Invalid status code: 503"],
  ["noUpgradeHeader", noUpgradeHeader, false, "Invalid upgrade header"],
  ["badUtf8", badUtf8, true, "Invalid UTF-8"],
  ["badOpcode", badOpcode, true, "Invalid value"],
  ["badReservedBit", badReservedBit, true, "Reserved bits are not zero"],
  [
    "badFragmentedPing",
    badFragmentedPing,
    true,
    "Control frame must not be fragmented",
  ],
];

for (const [name, script, opened, error] of CASES) {
  Deno.test(`the runtime reports ${name} as it did`, async () => {
    await using peer = new TcpPeer(script);
    assertEquals(await reason(peer.url), { opened, error });
  });
}

Deno.test("requests and connections are recorded, script by script", async () => {
  await using peer = new TcpPeer([respondStatus(401), respondStatus(503)]);
  for (const status of [401, 503, 503]) {
    assertEquals(
      (await reason(`${peer.url}/a?b`)).error,
      `Invalid status code: ${status}`,
    );
  }
  assertEquals(peer.connections, 3);
  assertEquals(peer.requests.map(({ path }) => path), Array(3).fill("/a?b"));
  assertEquals(peer.requests[0]?.headers.get("upgrade"), "websocket");
});

Deno.test("an upgrade works, and what follows it is the script's", async () => {
  await using peer = new TcpPeer(upgrade({
    then: async ({ write, gone }) => {
      await write(Uint8Array.of(0x81, 2, 0x68, 0x69));
      await gone();
    },
  }));
  const events = new Recorder<{ message: MessageEvent; close: Event }>();
  const socket = new WebSocket(peer.url);
  socket.onmessage = events.on("message");
  socket.onclose = events.on("close");
  assertEquals((await events.next("message")).data, "hi");
  await peer[Symbol.asyncDispose]();
  await events.next("close");
});

Deno.test("over TLS with h2 offered, a refusal hides behind two attempts", async () => {
  const { ca, good } = await certificates();
  using client = Deno.createHttpClient({ caCerts: [ca] });
  await using peer = new TcpPeer(respondStatus(401), {
    tls: good,
    alpn: ["h2", "http/1.1"],
  });
  const { opened } = await reason(peer.url, client);
  assertEquals(opened, false);
  assertEquals(peer.connections, 2);
  assertEquals(peer.requests.length, 1);
});

Deno.test("a silent peer holds the client until it is disposed of", async () => {
  const peer = new TcpPeer(silence);
  const ended = reason(peer.url);
  const tick = new Promise((resolve) => setTimeout(resolve, 20, "waiting"));
  assertEquals(await Promise.race([ended, tick]), "waiting");
  await peer[Symbol.asyncDispose]();
  assertEquals((await ended).opened, false);
});

Deno.test("a subprotocol that was not offered opens at the runtime", async () => {
  await using peer = new TcpPeer(wrongSubprotocol);
  const events = new Recorder<{ open: Event; close: Event }>();
  const socket = new WebSocket(peer.url, ["wanted"]);
  socket.onopen = events.on("open");
  socket.onclose = events.on("close");
  await events.next("open");
  assertEquals(socket.protocol, "never-offered");
  await peer[Symbol.asyncDispose]();
  await events.next("close");
});

Deno.test("what a script throws is thrown at the end", async () => {
  const peer = new TcpPeer(() => {
    throw new Error("as it should");
  });
  await reason(peer.url);
  await assertRejects(
    () => peer[Symbol.asyncDispose](),
    Error,
    "as it should",
  );
});

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
// @ts-types="@types/ws"
import { type PerMessageDeflateOptions, WebSocketServer } from "ws";
import type { TcpOptions } from "../../../src/transport/tcp/tcp_transport.ts";
import { testWith } from "../../support/foreign_server.ts";
import { findPythonWs } from "../../support/python_ws.ts";
import { open } from "./connect.ts";

/** Some that compress well, some that do not, some that are alike. */
const MESSAGES: readonly (string | Uint8Array)[] = [
  "",
  "short",
  "x".repeat(2000),
  JSON.stringify({ symbol: "BTC-USD", bids: Array(300).fill([1, 2]) }),
  JSON.stringify({ symbol: "BTC-USD", bids: Array(300).fill([1, 3]) }),
  "世界".repeat(1000),
  new Uint8Array(0),
  crypto.getRandomValues(new Uint8Array(40_000)),
  new Uint8Array(300_000),
  "x".repeat(70_000),
  "between",
];

/** Sends everything three times; it must come back, in order. */
async function echoAll(url: string, options: TcpOptions): Promise<string> {
  using opened = await open(url, options);
  const { socket, events } = opened;
  for (let round = 0; round < 3; round++) {
    for (const message of MESSAGES) socket.send(message);
    for (const message of MESSAGES) {
      assertEquals(await events.next("message"), message);
    }
    await events.until(() => socket.bufferedAmount === 0);
  }
  socket.close(1000, "done", 20_000);
  const { code, wasClean } = await events.next("end");
  assertEquals([code, wasClean], [1000, true]);
  return socket.response?.headers.get("sec-websocket-extensions") ?? "";
}

async function withServer(
  perMessageDeflate: boolean | PerMessageDeflateOptions,
  use: (url: string, server: WebSocketServer) => Promise<void>,
): Promise<void> {
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    perMessageDeflate,
  });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => {
      socket.send(Array.isArray(data) ? Buffer.concat(data) : data, {
        binary: isBinary,
      });
    });
  });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  const address = server.address();
  assert(address !== null && typeof address === "object");
  try {
    await use(`ws://127.0.0.1:${address.port}/`, server);
  } finally {
    for (const client of server.clients) client.terminate();
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("npm:ws without compression", () =>
  withServer(false, async (url) => {
    assertEquals(await echoAll(url, {}), "");
    assertEquals(await echoAll(url, { compression: true }), "");
  }));

const AGREEMENTS: readonly [PerMessageDeflateOptions, string][] = [
  [{}, ""],
  [{ threshold: 0 }, ""],
  [{ serverNoContextTakeover: true }, "server_no_context_takeover"],
  [{ clientNoContextTakeover: true }, "client_no_context_takeover"],
  [{ clientMaxWindowBits: 9 }, "client_max_window_bits=9"],
  [{ clientMaxWindowBits: 8 }, "client_max_window_bits=8"],
  [{ serverMaxWindowBits: 9 }, "server_max_window_bits=9"],
];

for (const [agreement, expected] of AGREEMENTS) {
  Deno.test(`npm:ws with compression: ${JSON.stringify(agreement)}`, () =>
    withServer(agreement, async (url) => {
      for (
        const compression of [
          true,
          { threshold: 0 },
          { contextTakeover: false },
        ]
      ) {
        const agreed = await echoAll(url, { compression });
        assertStringIncludes(agreed, "permessage-deflate");
        assertStringIncludes(agreed, expected);
      }
    }));
}

Deno.test("a window kept from message to message makes them smaller", () =>
  withServer({}, async (url) => {
    const text = crypto.getRandomValues(new Uint8Array(1000)).toHex();
    const sizes: number[] = [];
    for (const contextTakeover of [true, false]) {
      using opened = await open(url, { compression: { contextTakeover } });
      const { socket, events } = opened;
      for (let count = 0; count < 10; count++) {
        socket.send(text);
        assertEquals(await events.next("message"), text);
      }
      sizes.push(socket.bytesRead ?? 0);
    }
    const [kept = 0, fresh = 0] = sizes;
    assert(4 * kept < fresh, `${kept} bytes instead of ${fresh}`);
  }));

const python = await findPythonWs();

testWith(python, "Python's websockets with compression", async (start) => {
  await using server = await start();
  for (
    const compression of [true, { threshold: 0 }, { contextTakeover: false }]
  ) {
    const agreed = await echoAll(server.url, { compression });
    assertStringIncludes(agreed, "permessage-deflate");
  }
});

testWith(python, "Python's websockets: pings, closes, drops", async (start) => {
  await using server = await start();
  {
    using opened = await open(`${server.url}/ping`);
    assertEquals(await opened.events.next("message"), "answered");
    opened.socket.ping?.(3);
    assertEquals(await opened.events.next("pong"), 3);
  }
  {
    using opened = await open(`${server.url}/close`);
    assertEquals(await opened.events.next("end"), {
      code: 1011,
      reason: "grüße",
      wasClean: true,
    });
  }
  {
    using opened = await open(`${server.url}/drop`);
    const { code, failure } = await opened.events.next("end");
    assertEquals([code, failure?.kind], [1006, "network"]);
  }
});

import { assertEquals, assertGreater } from "@std/assert";
import { echo } from "../../src/server/behaviours.ts";
import { serve } from "../../src/server/server.ts";
import { certificates } from "./certificates.ts";
import { Recorder } from "./events.ts";
import { testWith } from "./foreign_server.ts";
import { findNginx } from "./nginx.ts";
import { startNodeWs } from "./node_ws.ts";
import { findPythonWs } from "./python_ws.ts";
import { findWebsocketd } from "./websocketd.ts";

const nginx = await findNginx();

/** Sends a text, expects it back, and closes. */
async function assertEchoes(url: string, client?: Deno.HttpClient) {
  const events = new Recorder<{ message: MessageEvent; close: CloseEvent }>();
  const socket = client === undefined
    ? new WebSocket(url)
    : new WebSocket(url, { client });
  socket.onopen = () => socket.send("grüße");
  socket.onmessage = events.on("message");
  socket.onclose = events.on("close");
  assertEquals((await events.next("message")).data, "grüße");
  socket.close(1000);
  await events.next("close");
}

Deno.test("the server made with npm:ws echoes", async () => {
  await using server = await startNodeWs("echo");
  await assertEchoes(server.url);
});

Deno.test("the server made with npm:ws feeds numbers in order", async () => {
  await using server = await startNodeWs("feed");
  const events = new Recorder<{ message: MessageEvent; close: CloseEvent }>();
  const socket = new WebSocket(server.url);
  socket.onmessage = events.on("message");
  socket.onclose = events.on("close");
  for (let number = 0; number < 100; number++) {
    assertEquals((await events.next("message")).data, String(number));
  }
  socket.close();
  await events.next("close");
});

testWith(
  await findPythonWs(),
  "the server made with Python's websockets echoes",
  async (start) => {
    await using server = await start();
    await assertEchoes(server.url);
  },
);

testWith(
  await findWebsocketd(),
  "websocketd sends the lines of its command",
  async (start) => {
    await using server = await start("cat");
    await assertEchoes(server.url);
  },
);

testWith(nginx, "nginx lets a WebSocket through", async (start) => {
  await using server = serve({ onPeer: echo });
  await using proxy = await start({ upstream: server.port });
  await assertEchoes(proxy.url);
});

testWith(nginx, "nginx lets a WebSocket through TLS", async (start) => {
  const { ca, good } = await certificates();
  await using server = serve({ onPeer: echo });
  await using proxy = await start({ upstream: server.port, tls: good });
  using client = Deno.createHttpClient({ caCerts: [ca] });
  await assertEchoes(proxy.url, client);
});

testWith(nginx, "nginx cuts a silent connection", async (start) => {
  await using server = serve({ onPeer: () => {} });
  await using proxy = await start({ upstream: server.port, readTimeout: 1 });
  const events = new Recorder<{ error: Event; close: CloseEvent }>();
  const socket = new WebSocket(proxy.url);
  socket.onerror = events.on("error");
  socket.onclose = events.on("close");
  assertEquals((await events.next("close")).code, 0);
  assertGreater(events.all("error").length, 0);
});

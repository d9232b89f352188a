import { assertEquals } from "@std/assert";
import type { Step } from "../../../src/cli/probe/advice.ts";
import { probe } from "../../../src/cli/probe/steps.ts";
import { acceptKey } from "../../../src/server/handshake.ts";
import { serve } from "../../../src/server/server.ts";
import { certificates } from "../../support/certificates.ts";
import { TcpPeer } from "../../support/tcp_peer.ts";

async function probed(
  url: string,
  more: Partial<Parameters<typeof probe>[0]> = {},
) {
  const steps: Step[] = [];
  const trouble = await probe({
    url: new URL(url),
    headers: [],
    subprotocols: [],
    caCerts: [],
    timeout: 5_000,
    onStep: (step) => steps.push(step),
    ...more,
  });
  return { trouble, steps, names: steps.map(({ name }) => name) };
}

Deno.test("every step is made, and leaves nothing open", async () => {
  const { ca, good, client } = await certificates();
  await using server = serve({ tls: good, onPeer: () => {} });
  const { port } = server;
  const url = `wss://localhost:${port}`;
  for (const identity of [undefined, client]) {
    const { trouble, names } = await probed(url, { caCerts: [ca], identity });
    assertEquals(trouble, undefined);
    assertEquals(names, ["DNS", "TCP", "TLS", "HTTP", "WebSocket"]);
  }
});

Deno.test("the step that fails is the last, and leaves nothing open", async () => {
  const { good } = await certificates();
  await using server = serve({ tls: good, onPeer: () => {} });
  const { trouble, names, steps } = await probed(server.url);
  assertEquals(trouble?.kind, "tls");
  assertEquals(names, ["TCP", "TLS"]);
  assertEquals(steps.map(({ ok }) => ok), [true, false]);
});

Deno.test("a subprotocol that was not offered is a trouble, none is not", async () => {
  await using peer = new TcpPeer(async ({ readRequest, write }) => {
    const request = await readRequest();
    const key = request?.headers.get("sec-websocket-key") ?? "";
    await write(
      "HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
        `sec-websocket-accept: ${await acceptKey(key)}\r\n` +
        "sec-websocket-protocol: v2\r\n\r\n",
    );
  });
  assertEquals((await probed(peer.url)).trouble, {
    kind: "subprotocol",
    chosen: "v2",
  });
  const offered = await probed(peer.url, { subprotocols: ["v1", "v2"] });
  assertEquals(offered.trouble, undefined);
  await using server = serve({ subprotocols: ["v1"], onPeer: () => {} });
  const none = await probed(server.url, { subprotocols: ["v9"] });
  assertEquals(none.trouble, undefined);
  assertEquals(none.steps.at(-1)?.details, [
    "no subprotocol: the server speaks none of v9",
  ]);
});

import { assertEquals, assertLess, assertMatch } from "@std/assert";
import fc from "fast-check";
import { MessageDeflate } from "../../src/protocol/deflate.ts";
import type { DeflateParameters } from "../../src/protocol/deflate_parameters.ts";
import { echo } from "../../src/server/behaviours.ts";
import { parseChaos } from "../../src/server/chaos.ts";
import type { Peer } from "../../src/server/peer.ts";
import { serve, type ServeOptions } from "../../src/server/server.ts";
import { clientFrame, RawClient, requestHead } from "../support/raw_client.ts";

const OFFER = { "sec-websocket-extensions": "permessage-deflate" };
const PLAIN: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** A server that compresses everything, and a client that offers it. */
async function rig(
  onPeer: (peer: Peer) => void,
  options: Partial<ServeOptions> = {},
) {
  const server = serve({ compression: { threshold: 0 }, onPeer, ...options });
  const client = await RawClient.connect(server.port, requestHead("/", OFFER));
  const deflate = new MessageDeflate("client", PLAIN, 2 ** 25);
  return {
    server,
    client,
    deflate,
    async sendCompressed(data: Uint8Array): Promise<void> {
      const payload = await deflate.compress(data);
      await client.write(clientFrame(2, payload, { reserved: 4 }));
    },
    /** The next message; each must be compressed. */
    async receive(): Promise<Uint8Array | undefined> {
      const frame = await client.readFrame();
      return frame && await deflate.inflate(frame.payload);
    },
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      deflate.close();
      await server.close();
    },
  };
}

/** What a server answers to an offer. */
async function answerTo(
  offer: string,
  options: Partial<ServeOptions>,
): Promise<string | undefined> {
  await using server = serve({ onPeer: echo, ...options });
  using client = await RawClient.connect(server.port, "");
  const head = requestHead("/", { "sec-websocket-extensions": offer });
  await client.write(new TextEncoder().encode(head));
  const answer = await client.readHead();
  assertMatch(answer, /^HTTP\/1\.1 101 /);
  return /^sec-websocket-extensions: (.*)$/im.exec(answer)?.[1];
}

Deno.test("a server agrees to compression only if it is told to", async () => {
  const offer = "permessage-deflate; client_max_window_bits";
  assertEquals(await answerTo(offer, {}), undefined);
  assertEquals(
    await answerTo(offer, { compression: true }),
    "permessage-deflate",
  );
  assertEquals(
    await answerTo(offer, { compression: { contextTakeover: false } }),
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  );
  assertEquals(await answerTo("x-other", { compression: true }), undefined);
});

Deno.test("messages come back as they were, in order, however large", async () => {
  await using r = await rig(echo);
  const sizes = [0, 1, 100, 65_000, 3, 300_000, 7, 2_000_000, 5];
  const messages = sizes.map((size, i) => new Uint8Array(size).fill(i));
  const writing = (async () => {
    for (const message of messages) await r.sendCompressed(message);
  })();
  for (const message of messages) assertEquals(await r.receive(), message);
  await writing;
});

Deno.test("repeated messages cost little: the window is kept", async () => {
  await using r = await rig((peer) => {
    const noise = crypto.getRandomValues(new Uint8Array(1_000));
    peer.send(noise);
    peer.send(noise);
  });
  await r.client.readFrame();
  assertLess((await r.client.readFrame())?.payload.length ?? Infinity, 100);
});

Deno.test("short messages are sent uncompressed, and keep their place", async () => {
  await using server = serve({
    compression: { threshold: 100 },
    onPeer: async (peer) => {
      peer.send("x".repeat(100_000));
      peer.send("short");
      peer.send(new Uint8Array(500_000));
      await peer.close(4000);
    },
  });
  using client = await RawClient.connect(
    server.port,
    requestHead("/", OFFER),
  );
  const lengths: number[] = [];
  const opcodes: number[] = [];
  for (let i = 0; i < 4; i++) {
    const frame = await client.readFrame();
    opcodes.push(frame?.opcode ?? NaN);
    lengths.push(frame?.payload.length ?? NaN);
  }
  assertEquals(opcodes, [1, 1, 2, 8]);
  assertEquals(lengths[1], "short".length);
  assertLess(lengths[0] ?? NaN, 1_000);
});

Deno.test("what follows a compressed message waits for it", async () => {
  const got: unknown[] = [];
  await using r = await rig((peer) => {
    peer.onmessage = (data) => got.push(data);
  });
  const [peer] = r.server.peers;
  await r.sendCompressed(new Uint8Array(3_000_000));
  await r.client.write(clientFrame(1, "after it"));
  await r.client.write(clientFrame(8, Uint8Array.of(0x03, 0xe8)));
  assertEquals((await peer?.closed)?.wasClean, true);
  assertEquals(got, [new Uint8Array(3_000_000), "after it"]);
});

Deno.test("a message that inflates to too much is refused with 1009", async () => {
  await using r = await rig(echo, { maxMessageBytes: 10_000 });
  await r.sendCompressed(new Uint8Array(10_000_000));
  assertEquals((await r.client.readFrame())?.payload.slice(0, 2), code(1009));
});

Deno.test("a compressed frame without an agreement is refused with 1002", async () => {
  await using server = serve({ onPeer: echo });
  using client = await RawClient.connect(server.port);
  await client.write(clientFrame(2, "x", { reserved: 4 }));
  assertEquals((await client.readFrame())?.payload.slice(0, 2), code(1002));
});

Deno.test("a compressed text that is not UTF-8 is refused with 1007", async () => {
  await using r = await rig(echo);
  const payload = await r.deflate.compress(Uint8Array.of(0xff));
  await r.client.write(clientFrame(1, payload, { reserved: 4 }));
  assertEquals((await r.client.readFrame())?.payload.slice(0, 2), code(1007));
});

Deno.test("latency and compression go together", async () => {
  await using r = await rig(echo, { chaos: parseChaos("latency=1..9ms", 7) });
  const messages = [1, 2, 3].map((byte) => new Uint8Array(2_000).fill(byte));
  for (const message of messages) await r.sendCompressed(message);
  for (const message of messages) assertEquals(await r.receive(), message);
});

Deno.test("whatever is compressed badly, the server lives", async () => {
  await using server = serve({ onPeer: echo, compression: true });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }),
      async (payloads) => {
        using client = await RawClient.connect(
          server.port,
          requestHead("/", OFFER),
        );
        for (const payload of payloads) {
          await client.write(clientFrame(2, payload, { reserved: 4 }));
        }
        await client.conn.closeWrite();
        await client.readToEnd();
      },
    ),
    { numRuns: 50 },
  );
  using client = await RawClient.connect(server.port);
  await client.write(clientFrame(1, "still there?"));
  assertEquals(await client.readText(), "still there?");
});

function code(number: number): Uint8Array {
  return Uint8Array.of(number >>> 8, number & 0xff);
}

import { assertEquals } from "@std/assert";
import { FrameDecoder } from "../../src/server/frame_decoder.ts";
import { FrameReader } from "../../src/server/frame_reader.ts";
import type { Transport } from "../../src/server/listener.ts";
import { Recorder } from "../support/events.ts";
import { clientFrame } from "../support/raw_client.ts";
import { tcpPair } from "../support/tcp_pair.ts";

async function rig() {
  const pair = await tcpPair();
  const events = new Recorder<{ message: string | Uint8Array }>();
  const decoder = new FrameDecoder({
    message: events.on("message"),
    ping() {},
    pong() {},
    close() {},
  });
  const reader = new FrameReader(pair.server, decoder, () => undefined);
  return {
    client: pair.client,
    server: pair.server,
    reader,
    events,
    [Symbol.dispose]: () => pair[Symbol.dispose](),
  };
}

const NOTHING = new Uint8Array();

Deno.test("what was read with the handshake comes first", async () => {
  using r = await rig();
  const end = r.reader.run(clientFrame(1, "first"));
  await r.client.write(clientFrame(1, "second"));
  assertEquals(await r.events.next("message"), "first");
  assertEquals(await r.events.next("message"), "second");
  r.client.close();
  assertEquals(await end, { kind: "hang-up" });
});

Deno.test("a broken frame ends it as a violation", async () => {
  using r = await rig();
  const end = r.reader.run(NOTHING);
  await r.client.write(clientFrame(3));
  assertEquals((await end).kind, "violation");
});

Deno.test("a connection that breaks ends it as a hang-up", async () => {
  using r = await rig();
  const end = r.reader.run(NOTHING);
  r.server.close();
  assertEquals((await end).kind, "hang-up");
});

/** A connection that only counts how often it is read. */
function countingReads() {
  let reads = 0;
  const transport: Transport = {
    read() {
      reads++;
      return new Promise(() => {});
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  return { transport, reads: () => reads };
}

function reading(pause: () => Promise<void> | undefined = () => undefined) {
  const { transport, reads } = countingReads();
  const decoder = new FrameDecoder({
    message() {},
    ping() {},
    pong() {},
    close() {},
  });
  return { reader: new FrameReader(transport, decoder, pause), reads };
}

/** All that promises have to do is done. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("nothing is read while it is stalled", async () => {
  const { reader, reads } = reading();
  reader.stopReading();
  reader.run(NOTHING);
  await settled();
  assertEquals(reads(), 0);
  reader.resumeReading();
  await settled();
  assertEquals(reads(), 1);
});

Deno.test("nothing is read while there is a reason to pause", async () => {
  const reasons = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  const waiting = [...reasons];
  const { reader, reads } = reading(() => waiting.shift()?.promise);
  reader.run(NOTHING);
  for (const reason of reasons) {
    await settled();
    assertEquals(reads(), 0);
    reason.resolve();
  }
  await settled();
  assertEquals(reads(), 1);
});

Deno.test("a deaf reader ignores what a read still brings", async () => {
  using r = await rig();
  const end = r.reader.run(NOTHING);
  r.reader.stopForGood();
  assertEquals(r.reader.stopped, true);
  await r.client.write(clientFrame(1, "x"));
  assertEquals(await end, { kind: "stopped" });
  assertEquals(r.events.all("message"), []);
});

Deno.test("a stalled reader that is made deaf ends", async () => {
  using r = await rig();
  r.reader.stopReading();
  const end = r.reader.run(NOTHING);
  r.reader.stopForGood();
  assertEquals(await end, { kind: "stopped" });
});

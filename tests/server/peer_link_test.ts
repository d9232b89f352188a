import { assertEquals, assertThrows } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { BatchWriter } from "../../src/server/batch_writer.ts";
import { ProtocolError } from "../../src/server/frames.ts";
import { PeerLink } from "../../src/server/peer_link.ts";
import type { Transport } from "../../src/server/listener.ts";
import { clientFrame } from "../support/raw_client.ts";

/** A connection whose client is the test, without a network. */
class Wire implements Transport {
  readonly log: string[] = [];
  #incoming: (Uint8Array | null)[] = [];
  #reader: PromiseWithResolvers<void> | undefined;
  #stuck: PromiseWithResolvers<void> | undefined;

  /** What the client sends; `null` is its FIN. */
  client(bytes: Uint8Array | null): void {
    this.#incoming.push(bytes);
    this.#reader?.resolve();
  }

  /** From now on no write ends. */
  jam(): void {
    this.#stuck = Promise.withResolvers();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#incoming.length === 0) {
      this.#reader = Promise.withResolvers();
      await this.#reader.promise;
    }
    const bytes = this.#incoming.shift() ?? null;
    if (bytes !== null) into.set(bytes);
    return bytes && bytes.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#stuck?.promise;
    this.log.push([...bytes].join(" "));
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    this.log.push("FIN");
    return Promise.resolve();
  }

  close(): void {
    this.log.push("closed");
    this.#stuck?.reject(new Error("closed"));
    this.client(null);
  }

  reset(): void {
    this.log.push("RST");
  }
}

function rig(pause: () => Promise<void> | undefined = () => undefined) {
  const wire = new Wire();
  const messages: unknown[] = [];
  const link = new PeerLink({
    transport: wire,
    writer: (onFailure) => new BatchWriter(wire, onFailure),
    maxMessageBytes: 1000,
    closeTimeout: 3000,
    sink: {
      message(data) {
        messages.push(data);
        if (data === "drop!") link.drop();
        if (data === "mute!") link.blackhole();
      },
      pong() {},
    },
    pause,
  });
  link.start(new Uint8Array());
  return { wire, link, messages, log: wire.log };
}

const CLOSE_1000 = clientFrame(8, Uint8Array.of(0x03, 0xe8, 0x78));
const UNCLEAN = { code: 1006, reason: "", wasClean: false, error: undefined };

Deno.test("a close by the client is echoed, and ends the link", async () => {
  const { wire, link, log } = rig();
  wire.client(CLOSE_1000);
  assertEquals(await link.closed, { code: 1000, reason: "x", wasClean: true });
  assertEquals(log, ["136 2 3 232", "closed"]);
  assertEquals(link.state, "closed");
});

Deno.test("a close without a code is answered without one", async () => {
  const { wire, link, log } = rig();
  wire.client(clientFrame(8));
  assertEquals((await link.closed).code, 1005);
  assertEquals(log, ["136 0", "closed"]);
});

Deno.test("a close from here waits for the client's", async () => {
  const { wire, link, log, messages } = rig();
  link.close(4000, "x");
  assertEquals(link.state, "closing");
  wire.client(clientFrame(1, "on its way"));
  wire.client(CLOSE_1000);
  assertEquals((await link.closed).wasClean, true);
  assertEquals(messages, ["on its way"]);
  assertEquals(log, ["136 3 15 160 120", "closed"]);
});

Deno.test("a second close says nothing more", async () => {
  const { wire, link, log } = rig();
  link.close(4000, "");
  link.close(4001, "");
  wire.client(CLOSE_1000);
  await link.closed;
  link.close(4002, "");
  link.drop();
  link.blackhole();
  assertEquals(log, ["136 2 15 160", "closed"]);
});

Deno.test("a client that never answers a close is dropped in time", async () => {
  using time = new FakeTime();
  const { link } = rig();
  link.close(1000, "");
  await time.tickAsync(2999);
  assertEquals(link.state, "closing");
  await time.tickAsync(1);
  assertEquals(await link.closed, UNCLEAN);
});

Deno.test("a client that takes nothing is dropped in time", async () => {
  using time = new FakeTime();
  const { wire, link } = rig();
  wire.jam();
  link.writer.text("x");
  link.drop();
  await time.tickAsync(3000);
  assertEquals(await link.closed, UNCLEAN);
});

Deno.test("a code that cannot be sent is refused, and changes nothing", () => {
  const { link } = rig();
  assertThrows(() => link.close(1006, ""), RangeError);
  assertEquals(link.state, "open");
  link.drop();
});

Deno.test("a drop writes what was sent, and no close frame", async () => {
  const { wire, link, log, messages } = rig();
  link.writer.text("x");
  link.drop();
  wire.client(clientFrame(1, "unheard"));
  assertEquals(await link.closed, UNCLEAN);
  assertEquals(log, ["129 1 120", "closed"]);
  assertEquals(messages, []);
});

Deno.test("what came with the message at which it was dropped is unheard", async () => {
  const { wire, link, log, messages } = rig();
  wire.client(Uint8Array.of(
    ...clientFrame(1, "drop!"),
    ...clientFrame(1, "unheard"),
    ...CLOSE_1000,
  ));
  assertEquals(await link.closed, UNCLEAN);
  assertEquals([messages, log], [["drop!"], ["closed"]]);
});

Deno.test("a close that came with the message at which it was muted is unheard", async () => {
  using time = new FakeTime();
  const { wire, link } = rig();
  wire.client(Uint8Array.of(...clientFrame(1, "mute!"), ...CLOSE_1000));
  await time.tickAsync(1000);
  assertEquals(link.state, "open");
  link.drop();
  assertEquals(await link.closed, UNCLEAN);
});

Deno.test("a closing link reads on, whatever there is to wait for", async () => {
  const reason = Promise.withResolvers<void>();
  const { wire, link } = rig(() => reason.promise);
  link.close(1000, "");
  reason.resolve();
  wire.client(CLOSE_1000);
  assertEquals((await link.closed).wasClean, true);
});

Deno.test("a reset is one where the transport can", async () => {
  const { link, log } = rig();
  link.writer.text("x");
  link.reset();
  await link.closed;
  assertEquals(log, ["129 1 120", "RST", "closed"]);
});

Deno.test("a ping is answered with its payload", async () => {
  const { wire, link, log } = rig();
  wire.client(clientFrame(9, "p"));
  wire.client(CLOSE_1000);
  await link.closed;
  assertEquals(log, ["138 1 112", "136 2 3 232", "closed"]);
});

Deno.test("a muted link hears and says nothing, until it is dropped", async () => {
  using time = new FakeTime();
  const { wire, link, log, messages } = rig();
  link.blackhole();
  wire.client(clientFrame(9, "p"));
  wire.client(clientFrame(1, "unheard"));
  wire.client(CLOSE_1000);
  link.writer.text("unsaid");
  await time.tickAsync(60_000);
  assertEquals([link.state, link.isBlackhole, log, messages], [
    "open",
    true,
    [],
    [],
  ]);
  link.drop();
  assertEquals(await link.closed, UNCLEAN);
  assertEquals(log, ["closed"]);
});

Deno.test("a muted link is not kept for ever", async () => {
  using time = new FakeTime();
  const { link } = rig();
  link.blackhole();
  await time.tickAsync(10 * 60_000);
  assertEquals(await link.closed, UNCLEAN);
});

Deno.test("a violation is named to the client before it is hung up on", async () => {
  const { wire, link, log } = rig();
  wire.client(clientFrame(2, new Uint8Array(1001)));
  wire.client(new Uint8Array(5000)); // on its way when the close frame left
  wire.client(null);
  const { code, wasClean, error } = await link.closed;
  assertEquals([code, wasClean], [1006, false]);
  assertEquals(error instanceof ProtocolError && error.closeCode, 1009);
  assertEquals(log[0]?.startsWith("136 "), true);
  assertEquals(log[0]?.split(" ").slice(2, 4), ["3", "241"]);
  assertEquals(log.slice(1), ["FIN", "closed"]);
});

Deno.test("a client that goes on after a violation is dropped in time", async () => {
  using time = new FakeTime();
  const { wire, link } = rig();
  wire.client(clientFrame(3));
  await time.tickAsync(3000);
  assertEquals((await link.closed).code, 1006);
});

Deno.test("a hang-up without a close frame is 1006", async () => {
  const { wire, link, log } = rig();
  wire.client(null);
  assertEquals(await link.closed, UNCLEAN);
  assertEquals(log, ["closed"]);
});

/**
 * Three collectors, a feed whose connections are cut at random, and a NATS
 * server. `FLEET_SECONDS=30` makes it longer, `FLEET_SEED` repeats the cuts.
 */

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { assertEquals, assertGreater } from "@std/assert";
import { random } from "../../src/server/fault_plan.ts";
import { testWith } from "../support/foreign_server.ts";
import { Example, LIMIT } from "./example.ts";
import { findNats } from "./nats.ts";
import { NumberedFeed } from "./numbered_feed.ts";

const SECONDS = Number(Deno.env.get("FLEET_SECONDS") ?? 8);
const SEED = Number(Deno.env.get("FLEET_SEED") ?? Date.now() % 1_000_000);
const STREAM = "FEEDS";
const NAMES = ["machine-1", "machine-2", "machine-3"];
/** Between two messages of a channel, and on average between two cuts, ms. */
const INTERVAL = 25;
const CUT_EVERY = 250;

testWith(
  await findNats(),
  "a fleet loses nothing and stores nothing twice, though one dies and connections are cut",
  async (startNats) => {
    const channels = Array.from({ length: 12 }, (_, i) => `CHANNEL-${i}`);
    await using nats = await startNats();
    await using feed = new NumberedFeed(channels);
    const folder = await Deno.makeTempDir();
    const stack = new AsyncDisposableStack();
    try {
      await Deno.writeTextFile(
        `${folder}/fleet.json`,
        JSON.stringify({
          nats: nats.url,
          stream: STREAM,
          copies: 2,
          feeds: [{ name: "spot", url: feed.url, channels }],
        }),
      );
      const start = (name: string) =>
        stack.use(
          new Example("fleet/collector.ts", {
            args: [name],
            cwd: folder,
            net: [
              `127.0.0.1:${feed.port}`,
              nats.url.replace("nats://", ""),
            ],
          }),
        );
      const collectors = NAMES.map(start);
      for (const { stdout } of collectors) {
        await stdout.matching(/^members machine-1 machine-2 machine-3:/);
      }

      const cuts = await runFeed(feed, async () => {
        await collectors[0]?.kill("SIGKILL");
        collectors.shift();
      });
      await collectors[0]?.stdout.matching(/^members machine-2 machine-3:/);

      const stored = await readStream(
        nats.url,
        channels.length * feed.published,
      );
      let isInOrder = true;
      for (const channel of channels) {
        const numbers = stored.get(channel) ?? [];
        const sorted = numbers.toSorted((a, b) => a - b);
        assertEquals(
          sorted,
          Array.from({ length: feed.published }, (_, i) => i + 1),
          `${channel}; seed ${SEED}`,
        );
        isInOrder &&= numbers.every((number, i) => number === i + 1);
      }
      assertEquals(isInOrder, true, `order; seed ${SEED}`);

      let received = 0;
      let duplicates = 0;
      for (const collector of collectors) {
        assertEquals(await collector.kill("SIGTERM"), 0);
        const counts = JSON.parse(collector.stdout.all.at(-1) ?? "");
        received += counts.received;
        duplicates += counts.duplicates;
      }
      assertGreater(cuts, 0);
      assertGreater(duplicates, 0, "nothing was read twice: no second copy");
      console.log(
        `fleet: ${
          channels.length * feed.published
        } messages in ${SECONDS} s, ` +
          `${cuts} cuts, one of 3 collectors killed, 0 lost, 0 twice; the ` +
          `other two received ${received}, of which ${duplicates} were there ` +
          `already; seed ${SEED}`,
      );
    } finally {
      await stack.disposeAsync();
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** Publishes and cuts; kills at a third of the time. Returns the cuts. */
async function runFeed(
  feed: NumberedFeed,
  kill: () => Promise<void>,
): Promise<number> {
  const begin = performance.now();
  let cuts = 0;
  let isKilled = false;
  for (let step = 0;; step++) {
    const elapsed = performance.now() - begin;
    if (elapsed > SECONDS * 1000) return cuts;
    feed.publish();
    if (random(SEED, step, 0) < INTERVAL / CUT_EVERY) {
      feed.cut(random(SEED, step, 1));
      cuts++;
    }
    if (!isKilled && elapsed > SECONDS * 1000 / 3) {
      isKilled = true;
      await kill();
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}

/** The numbers of each channel, in the order of the stream. */
async function readStream(
  servers: string,
  count: number,
): Promise<Map<string, number[]>> {
  const connection = await connect({ servers });
  try {
    const jsm = await jetstreamManager(connection);
    const deadline = Date.now() + LIMIT;
    for (;;) {
      const { state } = await jsm.streams.info(STREAM);
      if (state.messages >= count) break;
      if (Date.now() > deadline) {
        throw new Error(
          `${state.messages} of ${count} in the stream; seed ${SEED}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const numbers = new Map<string, number[]>();
    const consumer = await jetstream(connection).consumers.get(STREAM);
    let read = 0;
    for await (const message of await consumer.consume()) {
      const { channel, seq }: { channel: string; seq: number } = message.json();
      const list = numbers.get(channel) ?? [];
      list.push(seq);
      numbers.set(channel, list);
      if (++read >= count && message.info.pending === 0) break;
    }
    return numbers;
  } finally {
    await connection.close();
  }
}

#!/usr/bin/env -S deno run --allow-net=feed.example.com,nats.example.com --allow-read=fleet.json
/**
 * A collector of a fleet. Start as many as there are machines, each with a name
 * of its own and the same list of feeds:
 *
 *     ./collector.ts machine-1 fleet.json
 *
 * Each channel is read by two collectors at the same time (hot-hot), so that
 * the loss of a machine or of a connection costs nothing, and goes into one
 * NATS JetStream, which keeps one of the two copies. When a collector comes or
 * goes, the others notice within two seconds and share the channels anew.
 *
 * SIGTERM ends it in order, and prints what it did.
 *
 * @module
 */

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import { ChannelFeed } from "./channel_feed.ts";
import { Members } from "./members.ts";
import { owners } from "./rendezvous.ts";

interface Fleet {
  readonly nats: string;
  readonly stream: string;
  /** How many collectors read each channel. */
  readonly copies: number;
  readonly feeds: readonly {
    readonly name: string;
    readonly url: string;
    readonly channels: readonly string[];
  }[];
}

/**
 * How long the stream remembers ids. Longer than any outage after which the
 * same message can come again.
 */
const DUPLICATE_WINDOW = 10 * 60_000;

const [name = "collector", path = "fleet.json"] = Deno.args;
const fleet: Fleet = JSON.parse(await Deno.readTextFile(path));

const nats = await connect({
  servers: fleet.nats,
  name,
  maxReconnectAttempts: -1,
});
const jsm = await jetstreamManager(nats);
await jsm.streams.add({
  name: fleet.stream,
  subjects: ["feeds.>"],
  duplicate_window: nanos(DUPLICATE_WINDOW),
});
const stream = { name: fleet.stream, js: jetstream(nats), jsm };

const feeds = fleet.feeds.map((feed) => ({
  ...feed,
  reader: new ChannelFeed(feed.name, feed.url, stream),
}));

const members = new Members(nats, name, (names) => {
  let count = 0;
  for (const feed of feeds) {
    const mine = feed.channels.filter((channel) =>
      owners(`${feed.name}/${channel}`, names, fleet.copies).includes(name)
    );
    count += mine.length;
    feed.reader.assign(mine).catch((error) => {
      // Without the stream's answer nobody knows where to go on.
      console.error(error);
      Deno.exit(1);
    });
  }
  console.log(`members ${names.join(" ")}: ${count} channels are mine`);
});

Deno.addSignalListener("SIGTERM", async () => {
  members[Symbol.dispose]();
  await Promise.all(feeds.map(({ reader }) => reader.stop()));
  await nats.drain();
  for (const { name, reader } of feeds) {
    const { counts, reconnects } = reader;
    console.log(JSON.stringify({ feed: name, ...counts, reconnects }));
  }
  Deno.exit();
});

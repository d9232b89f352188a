#!/usr/bin/env -S deno run --allow-net=eu.example.com,us.example.com
/**
 * Two servers that carry the same feed.
 *
 * After a failure the other server is tried at once; the backoff comes only
 * when both have failed. A server that held a connection for `stableAfter` is
 * tried first the next time. Numbers in the messages tell what was missed.
 *
 *     ./failover.ts wss://eu.example.com/feed wss://us.example.com/feed
 *
 * @module
 */

import { connect } from "@ws-stream/client";

const urls = Deno.args.length > 0
  ? Deno.args
  : ["wss://eu.example.com/feed", "wss://us.example.com/feed"];

let last = 0;

await using feed = await connect(urls, {
  connectTimeout: 5_000,
  idleTimeout: 15_000,
}, {
  onConnect(session) {
    console.error(`connected to ${session.url}`);
    session.send(JSON.stringify({ op: "resume", after: last }));
  },
  onError: (error) => console.error(error.message),
});

for await (const message of feed) {
  const { seq }: { seq: number } = JSON.parse(String(message));
  if (seq <= last) continue; // Both servers had it.
  if (seq > last + 1) console.error(`${seq - last - 1} missing before ${seq}`);
  last = seq;
  console.log(seq);
}

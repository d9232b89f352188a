#!/usr/bin/env -S deno run --allow-net=feed.example.com,0.0.0.0:9464
/**
 * What a client does, as metrics that Prometheus reads from `/metrics`.
 *
 * `client.stats` is a snapshot of counters, so nothing is counted here: each
 * scrape reads it once a metric. The names follow Prometheus' conventions: base
 * units (seconds, bytes), and `_total` for what only grows.
 *
 *     ./metrics_prometheus.ts wss://feed.example.com/v1
 *     curl localhost:9464/metrics
 *
 * @module
 */

import { Counter, Gauge, Registry } from "prom-client";
import { WebSocketStreamClient, type WSStats } from "@ws-stream/client";

const [url = "wss://feed.example.com/v1", address = "0.0.0.0:9464"] = Deno.args;

const client = new WebSocketStreamClient({ url, idleTimeout: 60_000 });
const registers = [new Registry()];

counter("messages_received", "Messages received", (s) => s.messagesReceived);
counter("messages_sent", "Messages sent", (s) => s.messagesSent);
counter("received_bytes", "Payload received", (s) => s.bytesReceived);
counter("sent_bytes", "Payload sent", (s) => s.bytesSent);
counter("connects", "Connections opened", (s) => s.connects);
counter("retries", "Waits before another attempt", (s) => s.retries);
counter("dropped_messages", "Queued messages dropped", (s) => s.dropped);
counter("downtime_seconds", "Time without a connection", (s) => {
  return s.downtime / 1000;
});
gauge("connected", "1 while connected", (s) => {
  return s.connectedSince === undefined ? 0 : 1;
});
gauge("queued_messages", "Messages in the send queue", (s) => s.queued);
gauge("queued_bytes", "Bytes in the send queue", (s) => s.queuedBytes);
gauge("rtt_seconds", "Round-trip time of the last heartbeat", (s) => {
  return s.rtt === undefined ? NaN : s.rtt.last / 1000;
});

new Counter({
  name: "wsstream_failures_total",
  help: "Errors by their code",
  labelNames: ["code"],
  registers,
  collect() {
    this.reset();
    for (const [code, count] of Object.entries(client.stats.failures)) {
      this.inc({ code }, count);
    }
  },
});

const [hostname = "0.0.0.0", port = "9464"] = address.split(":");
const server = Deno.serve({ hostname, port: Number(port) }, async () => {
  const [registry] = registers;
  return new Response(await registry?.metrics(), {
    headers: { "Content-Type": registry?.contentType ?? "text/plain" },
  });
});

await client.start();
console.log(`connected to ${client.url}`);
const error = await client.closed;
await server.shutdown();
if (error !== undefined) throw error;

function counter(name: string, help: string, read: (s: WSStats) => number) {
  new Counter({
    name: `wsstream_${name}_total`,
    help,
    registers,
    collect() {
      this.reset();
      this.inc(read(client.stats));
    },
  });
}

function gauge(name: string, help: string, read: (s: WSStats) => number) {
  new Gauge({
    name: `wsstream_${name}`,
    help,
    registers,
    collect() {
      this.set(read(client.stats));
    },
  });
}

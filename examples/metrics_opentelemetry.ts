#!/usr/bin/env -S deno run --allow-net=feed.example.com
/**
 * What a client does, as metrics of OpenTelemetry.
 *
 * Deno has an exporter built in: the program needs the API alone, and the
 * environment says where the metrics go.
 *
 *     OTEL_DENO=true OTEL_SERVICE_NAME=feed \
 *     OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 \
 *     ./metrics_opentelemetry.ts wss://feed.example.com/v1
 *
 * The instruments are observable: the exporter asks when it exports, and
 * nothing is done for a message.
 *
 * @module
 */

import { metrics } from "@opentelemetry/api";
import { WebSocketStreamClient, type WSStats } from "@ws-stream/client";

const [url = "wss://feed.example.com/v1"] = Deno.args;

const client = new WebSocketStreamClient({ url, idleTimeout: 60_000 });
const meter = metrics.getMeter("ws-stream");
const attributes = { "server.address": new URL(url).host };

counter("messages.received", "{message}", (s) => s.messagesReceived);
counter("messages.sent", "{message}", (s) => s.messagesSent);
counter("io.received", "By", (s) => s.bytesReceived);
counter("io.sent", "By", (s) => s.bytesSent);
counter("connects", "{connection}", (s) => s.connects);
counter("retries", "{retry}", (s) => s.retries);
counter("messages.dropped", "{message}", (s) => s.dropped);
counter("downtime", "s", (s) => s.downtime / 1000);
gauge("queue.messages", "{message}", (s) => s.queued);
gauge("queue.size", "By", (s) => s.queuedBytes);
gauge("rtt", "s", (s) => s.rtt && s.rtt.last / 1000);

meter.createObservableCounter("wsstream.failures", { unit: "{error}" })
  .addCallback((result) => {
    for (const [code, count] of Object.entries(client.stats.failures)) {
      result.observe(count, { ...attributes, "error.type": code });
    }
  });

await client.start();
console.log(`connected to ${client.url}`);
const error = await client.closed;
if (error !== undefined) throw error;

function counter(name: string, unit: string, read: (s: WSStats) => number) {
  meter.createObservableCounter(`wsstream.${name}`, { unit })
    .addCallback((result) => result.observe(read(client.stats), attributes));
}

function gauge(
  name: string,
  unit: string,
  read: (s: WSStats) => number | undefined,
) {
  meter.createObservableGauge(`wsstream.${name}`, { unit })
    .addCallback((result) => {
      const value = read(client.stats);
      if (value !== undefined) result.observe(value, attributes);
    });
}

#!/usr/bin/env -S deno run --allow-net=ingest.example.com --allow-read=readings.db --allow-write=readings.db
/**
 * A sensor that loses no reading: not when the network is away, not when its
 * process is killed, not when the power fails.
 *
 * - `spool` keeps the queue in a file. When `sendText` has resolved, the
 *   reading is on disk, and a restarted program sends it before anything newer.
 * - With ids and acknowledgements a reading stays in the file until the server
 *   says that it has it. The server may see one twice, and knows it by its id.
 * - When a million readings wait, the oldest make room.
 *
 *     ./sensors.ts wss://ingest.example.com/readings boiler-7
 *
 * @module
 */

import { WebSocketStreamClient } from "@ws-stream/client";

const [
  url = "wss://ingest.example.com/readings",
  sensor = "sensor-1",
  interval = "1000",
] = Deno.args;

const client = new WebSocketStreamClient({
  url,
  spool: "readings.db",
  redeliver: {
    id: (data) => JSON.parse(String(data)).id,
    acknowledged: (data) => JSON.parse(String(data)).ack,
  },
  sendQueueMaxSize: 1_000_000,
  sendQueueMaxBytes: 256 * 1024 * 1024,
  overflow: "drop-oldest",
}, {
  onError: (error) => console.error(error.message),
  onDrop: (data, reason) => console.error(`lost (${reason}): ${data}`),
});

// Not awaited: a sensor takes its readings while the server is away, too.
client.start();

while (client.state !== "closed") {
  const id = crypto.randomUUID();
  const reading = { id, sensor, at: Date.now(), celsius: measure() };
  await client.sendText(JSON.stringify(reading));
  console.log(`kept ${id}`);
  await new Promise((resolve) => setTimeout(resolve, Number(interval)));
}

function measure(): number {
  return Math.round(200 + 20 * Math.random()) / 10;
}

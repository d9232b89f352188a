import { assert } from "@std/assert";
import { serve } from "../../src/server/server.ts";
import { Recorder } from "../support/events.ts";
import { Example, LIMIT } from "./example.ts";

Deno.test("a sensor that is killed and restarted loses no reading", async () => {
  const events = new Recorder<{ reading: string }>(LIMIT);
  const received = new Set<string>();
  let isAway = false;
  await using server = serve({
    accept: () => isAway ? { status: 503 } : undefined,
    onPeer(peer) {
      peer.onmessage = (data) => {
        const { id } = JSON.parse(String(data));
        received.add(id);
        events.add("reading", id);
        peer.send(JSON.stringify({ ack: id }));
      };
    },
  });
  const folder = await Deno.makeTempDir();
  const kept: string[] = [];
  const start = () =>
    new Example("sensors.ts", {
      args: [server.url, "boiler-7", "5"],
      net: [`127.0.0.1:${server.port}`],
      cwd: folder,
    });
  try {
    for (const away of [false, true, false]) {
      isAway = away;
      await using sensor = start();
      await sensor.stdout.matching(/^kept/, 20);
      await sensor.kill("SIGKILL");
      kept.push(...sensor.stdout.all.map((line) => line.split(" ")[1] ?? ""));
    }
    await using sensor = start();
    await sensor.stdout.matching(/^kept/);
    assert(kept.length >= 60);
    await events.until(
      () => kept.every((id) => received.has(id)),
      "every reading that was kept",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

import { assertEquals } from "@std/assert";
import { connect, type HeartbeatTimes, type Session } from "../../../mod.ts";
import { pingSoon } from "../../../src/cli/run/protocol_ping.ts";
import { serve } from "../../../src/server/server.ts";
import { spin } from "../../support/spin.ts";

const SOON = 20;

for (const busy of [0, SOON - 1, 3 * SOON]) {
  Deno.test(`one ping is sent though the processor is taken away for ${busy} ms`, async () => {
    const heard: string[] = [];
    const ended = Promise.withResolvers<void>();
    await using server = serve({
      onPeer: (peer) => {
        peer.onmessage = (data) => {
          heard.push(String(data));
          if (data === "end") ended.resolve();
        };
      },
    });
    let session: Session | undefined;
    await using client = await connect(server.url, {
      ping: { message: "ping" },
      pingInterval: 0,
    }, { onConnect: (opened) => void (session = opened) });
    let isFirst = true;
    const setHeartbeat = (times: HeartbeatTimes) => {
      session?.setHeartbeat(times);
      if (isFirst) spin(busy);
      isFirst = false;
    };
    await pingSoon({ setHeartbeat }, 0, SOON);
    await client.sendText("end");
    await ended.promise;
    assertEquals(heard, ["ping", "end"]);
  });
}

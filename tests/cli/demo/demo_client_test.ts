import { assertEquals } from "@std/assert";
import { DemoClient } from "../../../src/cli/demo/demo_client.ts";
import { serve } from "../../../src/server/server.ts";

const ignore = () => {};

Deno.test("the client counts what it got, and says on each connection what it has", async () => {
  const resumes: number[] = [];
  const back = Promise.withResolvers<void>();
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = async (data) => {
        const message = JSON.parse(String(data));
        if (message.kind !== "resume") return;
        resumes.push(message.after);
        const numbers = resumes.length === 1 ? [1, 2, 2] : [5];
        for (const number of numbers) {
          await peer.send(JSON.stringify({ kind: "feed", number }));
        }
        if (resumes.length === 1) await peer.drop();
        else back.resolve();
      };
    },
  });
  const client = new DemoClient(server.url, {
    onBroken: ignore,
    onRetry: ignore,
    onBack: ignore,
  });
  await client.start();
  await back.promise;
  while (client.received < 3) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals(resumes, [0, 2]);
  assertEquals([client.received, client.repeated], [3, 1]);
  client.send();
  assertEquals(client.sent, 1);
  // Nobody acknowledges it: it stays the client's.
  assertEquals(await client.flush(50), false);
  assertEquals(client.stats.unacknowledged, 1);
  await client.stop();
});

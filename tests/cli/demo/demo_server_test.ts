import { assertEquals } from "@std/assert";
import { DemoClient } from "../../../src/cli/demo/demo_client.ts";
import { DemoServer } from "../../../src/cli/demo/demo_server.ts";
import { within } from "../../support/events.ts";

const ignore = () => {};

/** What one fault may cost, in milliseconds: many times what it does. */
const LIMIT = 20_000;

Deno.test("whatever the fault, the client comes back and both sides have everything", async () => {
  await using server = new DemoServer();
  let back = Promise.withResolvers<void>();
  const client = new DemoClient(server.url, {
    onBroken: ignore,
    onRetry: ignore,
    onBack: () => back.resolve(),
  });
  const everythingIsThere = async () => {
    server.produce();
    await client.flush(2_000);
    while (client.received < server.produced) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await client.start();
  await within(everythingIsThere(), "everything there", LIMIT);
  for (
    const fault of ["drop", "reset", "close", "refuse", "half-open"] as const
  ) {
    back = Promise.withResolvers();
    client.send();
    server.break(fault);
    server.produce();
    client.send();
    await within(back.promise, `the client back after ${fault}`, LIMIT);
    await within(everythingIsThere(), `everything there after ${fault}`, LIMIT);
  }
  await client.stop();
  assertEquals([client.sent, server.received], [10, 10]);
  assertEquals([server.produced, client.received], [11, 11]);
});

Deno.test("the server counts what it got, twice only once", async () => {
  await using server = new DemoServer();
  const socket = new WebSocket(server.url);
  const opened = Promise.withResolvers<unknown>();
  const heard: string[] = [];
  const all = Promise.withResolvers<void>();
  socket.onopen = opened.resolve;
  socket.onmessage = ({ data }) => {
    heard.push(data);
    if (heard.length === 5) all.resolve();
  };
  await opened.promise;
  for (const number of [1, 3, 3]) {
    socket.send(JSON.stringify({ kind: "client", number }));
  }
  server.produce();
  server.produce();
  socket.send(JSON.stringify({ kind: "resume", after: 0 }));
  await all.promise;
  assertEquals([server.received, server.repeated], [2, 1]);
  assertEquals(heard.slice(3).map((text) => JSON.parse(text)), [
    { kind: "feed", number: 1 },
    { kind: "feed", number: 2 },
  ]);
  const closed = Promise.withResolvers<unknown>();
  socket.onclose = closed.resolve;
  socket.close();
  await closed.promise;
});

import { assertEquals, assertRejects } from "@std/assert";
import { connect, WSError } from "../mod.ts";
import { echo } from "../src/server/behaviours.ts";
import { serve } from "../src/server/server.ts";

Deno.test("connect() resolves with a client that is open, and stops with its scope", async () => {
  const closed: number[] = [];
  await using server = serve({
    onPeer(peer) {
      echo(peer);
      peer.closed.then(({ code }) => closed.push(code));
    },
  });
  {
    await using client = await connect(server.url);
    assertEquals(client.state, "open");
    await client.sendText("hello");
    for await (const message of client) {
      assertEquals(message, "hello");
      break;
    }
  }
  await server.close();
  assertEquals(closed, [1000]);
});

Deno.test("connect() takes options and callbacks", async () => {
  await using server = serve({ subprotocols: ["chat"], onPeer: () => {} });
  const states: string[] = [];
  await using client = await connect(
    new URL(server.url),
    { subprotocols: "chat" },
    { onStateChange: (state) => states.push(state) },
  );
  assertEquals(client.protocol, "chat");
  assertEquals(states, ["connecting", "open"]);
});

Deno.test("connect() rejects with what is fatal, and leaves nothing behind", async () => {
  await using server = serve({
    onPeer: () => {},
    accept: () => ({ status: 401 }),
  });
  const error = await assertRejects(() => connect(server.url), WSError);
  assertEquals([error.code, error.status], ["HTTP_STATUS", 401]);
});

Deno.test("connect() rejects when it is told to give up", async () => {
  const controller = new AbortController();
  const connecting = connect("ws://127.0.0.1:9", { signal: controller.signal });
  controller.abort();
  const error = await assertRejects(() => connecting, WSError);
  assertEquals(error.code, "STOPPED");
});

Deno.test("connect() rejects for wrong options", async () => {
  await assertRejects(() => connect("http://example.com"), TypeError, "'url'");
  await assertRejects(
    () => connect("ws://127.0.0.1:9", { maxRetries: -1 }),
    RangeError,
    "'maxRetries'",
  );
});

Deno.test("connect() rejects when its options are no object", async () => {
  for (
    const [value, shown] of [
      [null, "null"],
      [0, "a number"],
      ["chat", "a string"],
      [[], "an array"],
      [() => {}, "a function"],
    ] as const
  ) {
    const connecting: unknown = Reflect.apply(connect, undefined, [
      "ws://127.0.0.1:9",
      value,
      {},
      { timeout: 1_000 },
    ]);
    await assertRejects(
      async () => await connecting,
      TypeError,
      `'WSConfig' as it must be an object: current value is ${shown}`,
    );
  }
});

Deno.test("connect() rejects a signal, or anything else, in the place of its options", async () => {
  const { signal } = new AbortController();
  const url = "ws://127.0.0.1:9";
  for (
    const [args, name] of [
      [[url, signal], "WSConfig"],
      [[url, {}, signal], "WSCallbacks"],
      [[url, {}, {}, signal], "start()"],
    ] as const
  ) {
    const connecting: unknown = Reflect.apply(connect, undefined, args);
    await assertRejects(
      async () => await connecting,
      TypeError,
      `'${name}' as it must be an object with options: ` +
        "current value is an object of the class AbortSignal",
    );
  }
});

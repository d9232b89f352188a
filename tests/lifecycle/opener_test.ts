import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { WSError } from "../../src/errors.ts";
import { Endpoints } from "../../src/lifecycle/endpoint.ts";
import { Opener, type OpenerParts } from "../../src/lifecycle/opener.ts";
import { Notifier } from "../../src/notifier.ts";
import { type Endpoint, resolveConfig } from "../../src/resolve_config.ts";
import { serve } from "../../src/server/server.ts";
import { ConnectionLog } from "../../src/stats.ts";

const NEVER = new AbortController().signal;

/** An opener that is closed at the end of its scope. */
class Bench implements Disposable {
  readonly log = new ConnectionLog();
  readonly errors: WSError[] = [];
  readonly endpoints: Endpoints<Endpoint>;
  readonly opener: Opener;

  constructor(
    urls: readonly string[],
    parts: Partial<OpenerParts> = {},
    connectTimeout = 1_000,
  ) {
    const config = resolveConfig({ url: urls, connectTimeout });
    this.endpoints = new Endpoints(config.endpoints);
    this.opener = new Opener({
      config,
      onConnect: undefined,
      notifier: new Notifier({ onError: (error) => this.errors.push(error) }),
      log: this.log,
      linkParts: {
        hasGate: false,
        heartbeat: config,
        holdMaxSize: 10,
        holdMaxBytes: 1_000,
        outflow: {
          attach: () => {},
          pause: () => {},
          detach: () => {},
          sendUrgent: () => {},
        },
        arrivals: { messages: 0, bytes: 0 },
        deliver: () => {},
        onRtt: () => {},
        onError: (error) => this.errors.push(error),
      },
      owner: this,
      ...parts,
    }, this.endpoints);
  }

  [Symbol.dispose](): void {
    this.opener.close();
  }
}

Deno.test("a dial is to the endpoint whose turn it is, and counts once it is at its gate", async () => {
  await using server = serve({ onPeer: () => {} });
  using bench = new Bench(["ws://127.0.0.1:9", server.url]);
  await assertRejects(() => bench.opener.dial(NEVER), WSError);
  assertEquals(bench.log.connects, 0);
  bench.endpoints.failed(false);
  const link = await bench.opener.dial(NEVER);
  assertEquals(link.url, `${server.url}/`);
  assertEquals(bench.log.connects, 0);
  await bench.opener.pass(link, false, 0);
  assertEquals(bench.log.connects, 1);
  await link.close(1000, "", 500);
});

Deno.test("a dial takes no longer than it may, by itself or by the configuration", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `ws://127.0.0.1:${silent.addr.port}`;
  using patient = new Bench([url], {}, 60_000);
  const limits = [
    () => patient.opener.dial(NEVER, 20),
    () => impatient.opener.dial(NEVER),
  ];
  using impatient = new Bench([url], {}, 20);
  for (const dial of limits) {
    const error = await assertRejects(dial, WSError);
    assertEquals(error.code, "TIMEOUT");
  }
});

Deno.test("a dial that is given up rejects with the signal's reason", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using bench = new Bench([`ws://127.0.0.1:${silent.addr.port}`]);
  const controller = new AbortController();
  const dialled = bench.opener.dial(controller.signal);
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => dialled), reason);
});

Deno.test("a gate is told whether there was a connection before, and which attempt it is", async () => {
  await using server = serve({ onPeer: () => {} });
  const told: unknown[] = [];
  using bench = new Bench([server.url], {
    onConnect: ({ reconnected, attempt }) => told.push([reconnected, attempt]),
  });
  const link = await bench.opener.dial(NEVER);
  await bench.opener.pass(link, true, 3);
  assertEquals(told, [[true, 3]]);
  await link.close(1000, "", 500);
});

Deno.test("a gate may take as long as an attempt", async () => {
  await using server = serve({ onPeer: () => {} });
  using bench = new Bench([server.url], {
    onConnect: () => new Promise(() => {}),
  }, 50);
  const link = await bench.opener.dial(NEVER);
  await bench.opener.pass(link, false, 0);
  assert(link.isOver);
  assertEquals((await link.over).error?.code, "TIMEOUT");
});

Deno.test("what a gate throws after its link has ended is reported", async () => {
  await using server = serve({ onPeer: () => {} });
  const gate = Promise.withResolvers<void>();
  using bench = new Bench([server.url], { onConnect: () => gate.promise });
  const link = await bench.opener.dial(NEVER);
  const passed = bench.opener.pass(link, false, 0);
  link.drop();
  await passed;
  gate.reject(new Error("late"));
  await gate.promise.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(bench.errors.map(({ code }) => code), ["CALLBACK"]);
});

Deno.test("a closed opener has freed what it made, and dials nothing any more", async () => {
  using bench = new Bench(["wss://127.0.0.1:9"]);
  await assertRejects(() => bench.opener.dial(NEVER), WSError);
  bench.opener.close();
  await assertRejects(
    () => bench.opener.dial(NEVER),
    WSError,
    "cannot be used",
  );
});

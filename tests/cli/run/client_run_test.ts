import {
  assertEquals,
  assertGreater,
  assertMatch,
  assertThrows,
} from "@std/assert";
import type { Gap, Message, WSConfig } from "../../../mod.ts";
import { parseCommandLine } from "../../../src/cli/args/parse.ts";
import { UsageError } from "../../../src/cli/args/values.ts";
import {
  ClientRun,
  limitsOf,
  type RunParts,
} from "../../../src/cli/run/client_run.ts";
import type { ConnectionEvents } from "../../../src/cli/run/connection_events.ts";
import type { Peer } from "../../../src/server/peer.ts";
import { serve } from "../../../src/server/server.ts";

/** A run whose events and messages are noted in order. */
function noted(config: WSConfig, parts: Partial<RunParts> = {}) {
  const notes: string[] = [];
  const note = (name: string) => () => void notes.push(name);
  const events: ConnectionEvents = {
    open: note("open"),
    close: note("close"),
    retry: note("retry"),
    gap: (_, back) => void notes.push(back ? "gap" : "gap at the end"),
    error: note("error"),
    drop: note("drop"),
  };
  const run = new ClientRun({
    config: { initialBackoff: 1, ...config },
    events,
    deliver: (data: Message) => void notes.push(String(data)),
    ...parts,
  });
  return { run, notes };
}

/** Greets with its number, and drops the first link. */
function flaky() {
  let connections = 0;
  return serve({
    onPeer: async (peer: Peer) => {
      await peer.send(`hello ${++connections}`);
      if (connections === 1) await peer.drop();
    },
  });
}

Deno.test("it ends after so many messages, across reconnects, and delivers no more", async () => {
  await using server = flaky();
  const { run, notes } = noted({ url: server.url }, { count: 2 });
  const { status, reason } = await run.run();
  assertEquals([status, reason.kind], [0, "done"]);
  assertEquals(notes, [
    ...["open", "hello 1", "error", "close", "retry"],
    ...["gap", "open", "hello 2", "close"],
  ]);
});

Deno.test("only what comes first decides how it ends", async () => {
  await using server = flaky();
  const { run } = noted({ url: server.url }, { timeout: 50 });
  run.end({ kind: "gap" });
  run.end({ kind: "done" });
  assertEquals((await run.run()).status, 9);
});

Deno.test("the time is up, also while nothing answers", async () => {
  const { run } = noted({ url: "ws://127.0.0.1:9", initialBackoff: 9_000 }, {
    timeout: 100,
  });
  const { status, reason } = await run.run();
  assertEquals([status, reason.kind], [124, "timeout"]);
});

Deno.test("an outage that is still there at the end is told once, unless the end made it", async () => {
  await using server = serve({ onPeer: (peer) => peer.drop() });
  const first = noted({ url: server.url, reconnect: false });
  assertEquals((await first.run.run()).status, 5);
  assertEquals(first.notes, ["open", "error", "close", "gap at the end"]);

  await using sound = serve({ onPeer: () => {} });
  const second = noted({ url: sound.url }, { timeout: 200 });
  await second.run.run();
  assertEquals(second.notes, ["open", "close"]);
});

Deno.test("with failOnGap nothing behind the first gap is delivered", async () => {
  await using server = flaky();
  const { run, notes } = noted({ url: server.url }, { failOnGap: true });
  assertEquals((await run.run()).status, 9);
  assertEquals(notes.includes("hello 1"), true);
  assertEquals(notes.includes("hello 2"), false);
});

Deno.test("with failOnGap a dropped message is a loss too", async () => {
  const { run, notes } = noted({ url: "ws://127.0.0.1:9" }, {
    failOnGap: true,
    begin: (run) => run.dropped("overflow"),
  });
  assertEquals((await run.run()).status, 9);
  assertEquals(notes.includes("drop"), true);
});

Deno.test("a greeting may take messages, and they count", async () => {
  await using server = serve({
    onPeer: (peer) => peer.sendMany(["a", "b", "c"]),
  });
  const { run, notes } = noted({ url: server.url }, {
    count: 2,
    greet: async (session, deliver) => deliver(await session.receive()),
  });
  await run.run();
  assertEquals(notes.slice(0, 3), ["open", "a", "b"]);
});

Deno.test("a greeting is waited for, and may keep what it takes", async () => {
  await using server = serve({
    onPeer: (peer) => peer.sendMany(["a", "b", "c"]),
  });
  const { run, notes } = noted({ url: server.url }, {
    count: 2,
    greet: async (session) => void await session.receive(),
  });
  await run.run();
  assertEquals(notes.slice(0, 3), ["open", "b", "c"]);
});

Deno.test("what was to be sent at the end is sent, and then its close", async () => {
  const heard: string[] = [];
  const closed = Promise.withResolvers<string>();
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => void heard.push(String(data));
      peer.closed.then(({ code, reason }) =>
        closed.resolve(`${code} ${reason}`)
      );
    },
  });
  const { run } = noted({ url: server.url }, {
    begin: async (run) => {
      await run.opened;
      for (let i = 0; i < 5; i++) run.client.trySend(`${i}`);
      assertEquals(run.isOver, false);
      run.end({ kind: "done", close: { code: 4001, reason: "so long" } });
      assertEquals(run.isOver, true);
    },
  });
  const { status, unsent, stats } = await run.run();
  assertEquals([status, unsent.unsent, stats.messagesSent], [0, 0, 5]);
  assertEquals(await closed.promise, "4001 so long");
  assertEquals(heard, ["0", "1", "2", "3", "4"]);
});

Deno.test("what is lost while it ends turns success into 9", async () => {
  const { run } = noted({ url: "ws://127.0.0.1:9" }, {
    failOnGap: true,
    begin: (run) => {
      run.end({ kind: "done" });
      run.dropped("overflow");
    },
  });
  assertEquals((await run.run()).status, 9);
});

Deno.test("it tells how it goes, as often as asked, until the end", async () => {
  const states: string[] = [];
  const { run } = noted({ url: "ws://127.0.0.1:9", initialBackoff: 9_000 }, {
    statsEvery: 1,
    onStats: (stats, state) => {
      states.push(`${state} ${stats.connects}`);
      if (states.length === 3) run.end({ kind: "done" });
    },
  });
  await run.run();
  assertEquals(states.length, 3);
  for (const state of states) assertMatch(state, /^(connecting|waiting) 0$/);
});

Deno.test("an outage at the end has its attempts", async () => {
  let connections = 0;
  await using server = serve({
    accept: () => ++connections > 1 ? { status: 503 } : undefined,
    onPeer: (peer) => peer.drop(),
  });
  const gaps: Gap[] = [];
  const { run } = noted({ url: server.url, maxRetries: 2, maxBackoff: 1 }, {
    events: {
      ...{ open: () => {}, close: () => {}, retry: () => {} },
      ...{ error: () => {}, drop: () => {} },
      gap: (gap) => void gaps.push(gap),
    },
  });
  assertEquals((await run.run()).status, 3);
  assertEquals(gaps.map(({ attempts }) => attempts), [2]);
});

Deno.test("when messages came is known from when it is asked for", async () => {
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = () => peer.send("answer");
    },
  });
  let begun = Infinity;
  const { run } = noted({ url: server.url }, {
    count: 1,
    begin: async (run) => {
      await run.opened;
      assertEquals(run.lastMessageAt, 0);
      run.watchMessages();
      begun = run.lastMessageAt;
      assertGreater(begun, 0);
      run.client.trySend("question");
    },
  });
  await run.run();
  assertGreater(run.lastMessageAt, begun);
});

Deno.test("a configuration that the client refuses is wrong usage", () => {
  assertThrows(() => noted({ url: "ws://h", maxBackoff: 0 }), UsageError);
});

Deno.test("the flags say what ends a run, and how often it tells how it goes", () => {
  const limits = {
    count: 3,
    timeout: 2_000,
    "fail-on-gap": true,
    stats: 10_000,
  };
  assertEquals(limitsOf(limits), {
    count: 3,
    timeout: 2_000,
    failOnGap: true,
    statsEvery: 10_000,
  });
});

Deno.test("without flags nothing ends a run by itself", () => {
  const line = parseCommandLine(["ws://127.0.0.1"]);
  if (!("flags" in line)) throw new Error("no run was asked for");
  assertEquals(limitsOf(line.flags), {
    count: undefined,
    timeout: undefined,
    failOnGap: false,
    statsEvery: undefined,
  });
});

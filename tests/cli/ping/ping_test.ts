import { assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { delay } from "@std/async/delay";
import { FakeTime } from "@std/testing/time";
import { Pinger } from "../../../src/cli/ping/ping.ts";
import { RoundTrips } from "../../../src/cli/ping/round_trips.ts";
import { ClientRun } from "../../../src/cli/run/client_run.ts";
import { sentences } from "../../../src/cli/run/connection_events.ts";
import { echo } from "../../../src/server/behaviours.ts";
import { parseChaos } from "../../../src/server/chaos.ts";
import { serve } from "../../../src/server/server.ts";
import { hearingEcho } from "../../support/hearing_echo.ts";
import { TcpPeer, upgrade } from "../../support/tcp_peer.ts";
import { TempFile } from "../../support/temp_file.ts";
import { cli } from "../session.ts";

const ignore = () => {};

const QUICK = ["--interval", "20ms"];
const NATIVE = [...QUICK, "--transport", "native"];

Deno.test("ping prints a line for each answer, and sums up", async () => {
  // It answers no message: protocol pings are answered by any server.
  await using server = serve({
    onPeer: (peer) => void (peer.onmessage = ignore),
  });
  const { stdout, code } = await cli("ping", server.url, "-n", "12", ...QUICK)
    .run();
  const lines = stdout.split("\n");
  for (let seq = 1; seq <= 4; seq++) {
    assertMatch(
      lines[seq - 1] ?? "",
      new RegExp(`^answer from 127\\.0\\.0\\.1: seq=${seq} time=[\\d.]+ ms$`),
    );
  }
  assertMatch(stdout, /12 sent, 12 answered, 0% lost/);
  assertMatch(stdout, /rtt min\/avg\/p50\/p99\/max = /);
  assertMatch(stdout, /up to .* ms .* #/);
  assertEquals(code, 0);
});

Deno.test("over the native transport numbers are sent, for an echo server", async () => {
  const heard: string[] = [];
  await using server = serve({ onPeer: hearingEcho(heard) });
  const { stdout, code } = await cli(
    ...["ping", server.url, "-n", "3", ...NATIVE],
  ).run();
  assertEquals(heard, ["1", "2", "3"]);
  assertMatch(stdout, /3 sent, 3 answered, 0% lost/);
  assertEquals(code, 0);
});

Deno.test("a server that stops answering is lost pings, not an error", async () => {
  await using server = serve({
    onPeer: (peer) => void (peer.onmessage = ignore),
  });
  const session = cli(
    ...["ping", server.url, "-n", "100", "--interval", "50ms"],
    ...["--wait", "200ms"],
  ).start();
  await session.stdout.waitFor("seq=1");
  for (const peer of server.peers) peer.blackhole();
  const { stdout, code } = await session.end;
  assertMatch(stdout, /no answer to seq=100 within 200 ms/);
  assertMatch(stdout, /100 sent, [1-9]\d? answered/);
  assertEquals(code, 0);
});

Deno.test("--json prints each answer, each loss and the numbers of the end", async () => {
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => data === "1" ? peer.send(data) : undefined;
    },
  });
  const { stdout, code } = await cli(
    ...["ping", `${server.url}/?token=secret`, "--json", "-n", "2"],
    // A busy machine may take a second for an answer.
    ...["--wait", "3s", ...NATIVE],
  ).run();
  const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    events.map(({ v, type, seq, url }) => [v, type, seq, url]),
    [
      [1, "pong", 1, `${server.url}/?***`],
      [1, "lost", 2, `${server.url}/?***`],
      [1, "summary", undefined, `${server.url}/?***`],
    ],
  );
  const [pong, , { sent, answered, lost, min, max }] = events;
  assertEquals([sent, answered, lost], [2, 1, 1]);
  assertEquals([min, max], [pong.rtt, pong.rtt]);
  assertEquals(code, 0);
});

Deno.test("--json prints why there is no connection, or none any more", async () => {
  const ping = async (...args: string[]) => {
    const { stdout, code } = await cli("ping", "--json", ...args).run();
    // The numbers of the end may follow.
    const [first = ""] = stdout.split("\n");
    const { v, type, code: error, url } = JSON.parse(first);
    return { code, event: [v, type, error, url] };
  };
  assertEquals(await ping("ws://127.0.0.1:9/?token=secret"), {
    code: 7,
    event: [1, "error", "CONNECT", "ws://127.0.0.1:9/?***"],
  });
  await using server = serve({ onPeer: (peer) => peer.close(4000) });
  assertEquals(await ping(server.url), {
    code: 4,
    event: [1, "error", "CLOSED", `${server.url}/`],
  });
});

Deno.test("-q prints the numbers of the end alone", async () => {
  await using server = serve({ onPeer: echo });
  const { stdout, stderr } = await cli(
    ...["ping", server.url, "-q", "-n", "2", ...QUICK],
  ).run();
  assertMatch(stdout, /^--- ws:.* ping statistics ---\n2 sent, 2 answered/);
  assertEquals(stderr, "");
});

Deno.test({
  name: "a Unix socket has no host: its URL is shown",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using file = new TempFile();
    await using server = serve({ onPeer: () => {} });
    using listener = Deno.listen({ transport: "unix", path: file.path });
    const relaying = relay(listener, server.port);
    const { stdout } = await cli(
      ...["ping", `ws+unix:${file.path}`, "-n", "1", ...QUICK],
    ).allow("--allow-all").run();
    assertMatch(stdout, /^answer from ws\+unix:\/.*: seq=1 time=/);
    await relaying;
  },
});

Deno.test({
  name: "what a Unix socket needs to be allowed is said, and is enough",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using file = new TempFile();
    await using server = serve({ onPeer: () => {} });
    using listener = Deno.listen({ transport: "unix", path: file.path });
    const args = ["ping", `ws+unix:${file.path}`, "-n", "1", ...QUICK];
    const files = [`--allow-read=${file.path}`, `--allow-write=${file.path}`];
    for (const allowed of [[], files.slice(0, 1)]) {
      const { code, stderr } = await cli(...args).allow(...allowed).run();
      assertEquals(code, 2);
      const [, flags = ""] = /deno run (.*) \S+cli\.ts/.exec(stderr) ?? [];
      assertMatch(flags, /^--allow-read=\S+ --allow-write=\S+/);
      const relaying = relay(listener, server.port);
      const { stdout } = await cli(...args).allow(...flags.split(" ")).run();
      assertMatch(stdout, /^answer from ws\+unix:/);
      await relaying;
    }
  },
});

/** A server that answers each ping a little later; `pings` counts them. */
function slowPonger(answerAfter: number) {
  const counted = { pings: 0 };
  const peer = new TcpPeer([upgrade({
    then: async ({ conn }) => {
      const bytes: number[] = [];
      for await (const chunk of conn.readable.values({ preventCancel: true })) {
        bytes.push(...chunk);
        while (bytes.length >= 6 && bytes.length >= 6 + (bytes[1] ?? 0) % 128) {
          const length = (bytes[1] ?? 0) % 128;
          const [opcode, , ...rest] = bytes.splice(0, 6 + length);
          if (opcode === 0x88) return;
          counted.pings++;
          const mask = rest.splice(0, 4);
          const payload = rest.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
          const pong = Uint8Array.of(0x8a, length, ...payload);
          setTimeout(() => conn.write(pong).catch(ignore), answerAfter);
        }
      }
    },
  })]);
  return { peer, counted };
}

for (const answerAfter of [0, 50]) {
  Deno.test(`there are as many pings as samples, with answers after ${answerAfter} ms`, async () => {
    const { peer, counted } = slowPonger(answerAfter);
    await using _ = peer;
    const flags = ["-n", "30", "--interval", "20ms"];
    const { stdout } = await cli("ping", peer.url, ...flags).run();
    assertMatch(stdout, /30 sent, 30 answered, 0% lost/);
    assertEquals(counted.pings, 30);
  });
}

/** Passes on one connection. */
async function relay(listener: Deno.UnixListener, port: number): Promise<void> {
  const below = await listener.accept();
  const above = await Deno.connect({ hostname: "127.0.0.1", port });
  await Promise.allSettled([
    below.readable.pipeTo(above.writable),
    above.readable.pipeTo(below.writable),
  ]);
}

Deno.test("a pong that comes too late is no answer", async () => {
  await using server = serve({
    chaos: parseChaos("latency=300ms", 1),
    onPeer: () => {},
  });
  const { stdout, code } = await cli(
    ...["ping", server.url, "-n", "4", "--interval", "100ms"],
    ...["--wait", "200ms"],
  ).run();
  assertMatch(stdout, /4 sent, 0 answered, 100% lost/);
  assertEquals(code, 1);
});

Deno.test("ping ends with 1 when everything was lost", async () => {
  await using server = serve({ onPeer: () => {} });
  const { stdout, code } = await cli(
    ...["ping", server.url, "-n", "2", "--wait", "100ms"],
    ...NATIVE,
  ).run();
  assertMatch(stdout, /no answer to seq=2 within 100 ms/);
  assertMatch(stdout, /2 sent, 0 answered, 100% lost/);
  assertEquals(code, 1);
});

Deno.test("a message of one's own is answered by what --pong tells", async () => {
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = async (data) => {
        await peer.send("noise");
        if (data === "PING") await peer.send("PONG");
      };
    },
  });
  const { stdout, code } = await cli(
    ...["ping", server.url, "-n", "2", "--message", "PING", "--pong", "^PONG$"],
    ...QUICK,
  ).run();
  assertMatch(stdout, /2 sent, 2 answered/);
  assertEquals(code, 0);
});

for (const transport of ["native", "tcp"]) {
  Deno.test(`--message is sent, and --pong tells the answer, over ${transport}`, async () => {
    const heard: string[] = [];
    await using server = serve({ onPeer: hearingEcho(heard) });
    const { stdout, code } = await cli(
      ...["ping", server.url, "-n", "2", "--transport", transport, ...QUICK],
      ...["--message", "PING", "--pong", "^PONG$", "--wait", "100ms"],
    ).run();
    assertEquals(heard, ["PING", "PING"]);
    assertMatch(stdout, /2 sent, 0 answered/);
    assertEquals(code, 1);
  });

  Deno.test(`a server that closes early ends the measurement with 4, over ${transport}`, async () => {
    for (const answers of [0, 2]) {
      await using server = serve({
        onPeer: async (peer) => {
          peer.onmessage = (data) => peer.send(data);
          for (let i = 0; i < answers; i++) await delay(30);
          await peer.close(1000);
        },
      });
      const { stderr, code } = await cli(
        ...["ping", server.url, "-n", "50", "--transport", transport, ...QUICK],
      ).run();
      assertMatch(
        stderr,
        /^ws-stream: the server closed the connection too early\n/,
      );
      assertEquals(code, 4);
    }
  });
}

Deno.test("without a connection ping has connect's exit code", async () => {
  const { stdout, code } = await cli("ping", "ws://127.0.0.1:9").run();
  assertEquals(stdout, "");
  assertEquals(code, 7);
});

Deno.test({
  name: "an interrupted ping still sums up",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using server = serve({ onPeer: echo });
    const session = cli("ping", server.url).start();
    await session.stdout.waitFor("seq=1");
    session.kill("SIGINT");
    const { stdout, stderr, signal } = await session.end;
    assertMatch(stdout, /1 sent, 1 answered/);
    assertEquals(stderr, "");
    assertEquals(signal, "SIGINT");
  },
});

function pinger(count: number, pong?: RegExp, wait = 500) {
  const told: string[] = [];
  const looks: number[] = [];
  const trips = new RoundTrips(wait);
  const it = new Pinger({
    trips,
    pong,
    message: pong === undefined ? undefined : "ping",
    interval: 100,
    count,
    now: () => {
      looks.push(Date.now());
      return Date.now();
    },
    onAnswer: ({ seq }) => told.push(`answer ${seq}`),
    onLost: (seq) => told.push(`lost ${seq}`),
  });
  const ignore = () => {};
  const run = new ClientRun({
    config: { url: "ws://127.0.0.1:9" },
    events: sentences({
      isQuiet: true,
      good: ignore,
      trouble: ignore,
      detail: ignore,
      trace: ignore,
    }),
    deliver: ignore,
  });
  return { it, trips, told, run, looks };
}

Deno.test("pings go out at a steady pace, and it ends with the last answer", async () => {
  using time = new FakeTime();
  const { it, trips, told, run } = pinger(3);
  const done = it.run(run);
  await pass(time, 99);
  assertEquals(trips.sent, 1);
  await pass(time, 1);
  assertEquals(trips.sent, 2);
  await pass(time, 100);
  assertEquals(trips.sent, 3);
  ["3", "1", "nothing", "2"].forEach((data) => it.onMessage(data));
  assertEquals(told, ["answer 3", "answer 1", "answer 2"]);
  assertEquals(run.isOver, true);
  await done;
});

Deno.test("what is not answered in time is lost, and it ends with the last one", async () => {
  using time = new FakeTime();
  const { it, told, run } = pinger(2);
  const done = it.run(run);
  for (let i = 0; i < 5; i++) await pass(time, 100);
  assertEquals(told, ["lost 1"]);
  await pass(time, 100);
  await done;
  assertEquals(told, ["lost 1", "lost 2"]);
});

Deno.test("only what matches is the answer to a message of one's own", async () => {
  using time = new FakeTime();
  const { it, told, run } = pinger(1, /^pong$/);
  const done = it.run(run);
  await pass(time, 1);
  ["1", "noise", "pong"].forEach((data) => it.onMessage(data));
  assertEquals(told, ["answer 1"]);
  await done;
});

Deno.test("a ping that is lost brings the next one not forward", async () => {
  using time = new FakeTime();
  const { it, trips, told, run } = pinger(2, undefined, 30);
  const done = it.run(run);
  await pass(time, 99);
  assertEquals([trips.sent, told], [1, ["lost 1"]]);
  await pass(time, 1);
  assertEquals(trips.sent, 2);
  await pass(time, 30);
  await done;
  assertEquals(told, ["lost 1", "lost 2"]);
});

Deno.test("between two pings it sleeps", async () => {
  using time = new FakeTime();
  const { it, run, looks } = pinger(2);
  const done = it.run(run);
  for (let ms = 0; ms < 99; ms++) await pass(time, 1);
  // At the start, at the first ping, and at most once more.
  assertLessOrEqual(looks.length, 3);
  run.end({ kind: "done" });
  await done;
});

Deno.test("what came too late, twice or in bytes answers no number", async () => {
  using time = new FakeTime();
  const { it, told, run } = pinger(1);
  const done = it.run(run);
  await pass(time, 1);
  it.onMessage(new TextEncoder().encode("1"));
  it.onMessage("2");
  it.onMessage("01x");
  assertEquals(told, []);
  it.onMessage("1");
  it.onMessage("1");
  assertEquals(told, ["answer 1"]);
  await done;
});

Deno.test("without a connection a ping is lost: later it would measure something else", async () => {
  using time = new FakeTime();
  const { it, trips, run } = pinger(1);
  const done = it.run(run);
  await pass(time, 1);
  assertEquals(trips.sent, 1);
  assertEquals(run.client.stats.queued, 0);
  run.end({ kind: "done" });
  await done;
});

/** What an echo server hears of so many pings, and how it ended. */
async function pingEcho(count: number, message?: string, pong?: RegExp) {
  const heard: string[] = [];
  await using server = serve({ onPeer: hearingEcho(heard) });
  const trips = new RoundTrips(5_000);
  const ignore = () => {};
  const it = new Pinger({
    ...{ trips, message, pong, interval: 1, count },
    now: () => performance.now(),
    onAnswer: ignore,
    onLost: ignore,
  });
  const run = new ClientRun({
    config: { url: server.url },
    events: sentences({
      isQuiet: true,
      good: ignore,
      trouble: ignore,
      detail: ignore,
      trace: ignore,
    }),
    deliver: (data) => it.onMessage(data),
    begin: async (run) => {
      await run.opened;
      await it.run(run);
    },
  });
  const { status } = await run.run();
  return { status, heard, answered: trips.times.length };
}

Deno.test("numbers are sent, which an echo server returns", async () => {
  assertEquals(await pingEcho(3), {
    status: 0,
    heard: ["1", "2", "3"],
    answered: 3,
  });
});

Deno.test("a message of one's own is sent as it is, and any message answers it", async () => {
  assertEquals(await pingEcho(2, "hello"), {
    status: 0,
    heard: ["hello", "hello"],
    answered: 2,
  });
});

Deno.test("numbers may have answers that are told by a pattern", async () => {
  assertEquals(await pingEcho(2, undefined, /./), {
    status: 0,
    heard: ["1", "2"],
    answered: 2,
  });
});

/** Lets time pass, and what follows from it happen. */
async function pass(time: FakeTime, ms: number): Promise<void> {
  await time.tickAsync(ms);
  await time.runMicrotasks();
}

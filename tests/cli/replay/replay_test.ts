import fc from "fast-check";
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import type { Message } from "../../../mod.ts";
import { type Entry, recordLine } from "../../../src/cli/replay/record.ts";
import { play } from "../../../src/cli/replay/replay.ts";
import { serve } from "../../../src/server/server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { anyText } from "../../support/texts.ts";
import { cli } from "../session.ts";

interface Timed {
  readonly at: number;
  readonly data: Message;
}

/** Messages at odd times, with bursts between. */
const RECORDED: readonly Timed[] = fc.sample(
  fc.oneof(anyText, fc.uint8Array()),
  { numRuns: 40, seed: 20_260 },
).map((data, i) => ({ at: 1_000 + (i >> 1) * 37.25, data }));

Deno.test("a replay as a client keeps the times and every byte", async () => {
  using temp = recorded(RECORDED);
  const heard: Timed[] = [];
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => {
        heard.push({ at: performance.now(), data });
      };
    },
  });
  const { code, stderr } = await cli("replay", temp.path, server.url)
    .allow("--allow-net", `--allow-read=${temp.path}`).run();
  assertEquals(stderr, "");
  assertEquals(code, 0);
  assertEquals(heard.map(({ data }) => data), RECORDED.map(({ data }) => data));
  const offsets = heard.map(({ at }, i) => at - (RECORDED[i]?.at ?? NaN));
  const middle = median(offsets);
  // Other processes share this machine. All at once would be 180 ms off.
  assertLess(median(offsets.map((offset) => Math.abs(offset - middle))), 50);
  const drift = median(offsets.slice(-10)) - median(offsets.slice(0, 10));
  assertLess(Math.abs(drift), 100);
});

Deno.test("a replay as a server plays to each client from its start, and closes", async () => {
  using temp = recorded(RECORDED);
  const server = cli("replay", temp.path, "--serve", "0", "--speed", "max")
    .allow("--allow-net", `--allow-read=${temp.path}`).start();
  await server.stderr.waitFor(/ws:\/\/\S+/);
  const [url = ""] = /ws:\/\/\S+/.exec(server.stderr.text) ?? [];
  const flags = ["--json", "--no-reconnect"];
  for (
    const { stdout, code } of await Promise.all([
      cli(url, ...flags).run(),
      cli(url, ...flags).run(),
    ])
  ) {
    const data = stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
      .filter(({ type }) => type === "message")
      .map(({ data, encoding }) =>
        encoding === "base64" ? Uint8Array.fromBase64(data) : data
      );
    assertEquals(data, RECORDED.map(({ data }) => data));
    assertEquals(code, 0);
  }
  server.kill("SIGINT");
  await server.end;
});

Deno.test("--speed and --loop", async () => {
  using temp = recorded([{ at: 0, data: "a" }, { at: 1_000, data: "b" }]);
  const heard: Timed[] = [];
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => {
        heard.push({ at: performance.now(), data });
        if (heard.length === 5) peer.close(4000);
      };
    },
  });
  const { code } = await cli(
    ...["replay", temp.path, server.url, "--no-reconnect"],
    ...["--speed", "10x", "--loop"],
  ).allow("--allow-net", `--allow-read=${temp.path}`).run();
  assertEquals(heard.map(({ data }) => data).slice(0, 5), [..."ababa"]);
  const [first, second] = heard;
  assert(first !== undefined && second !== undefined);
  // At the recorded speed it would be a second.
  assertGreater(second.at - first.at, 90);
  assertLess(second.at - first.at, 900);
  assertEquals(code, 4);
});

Deno.test("an empty recording in a loop ends", async () => {
  using temp = recorded([]);
  await using server = serve({ onPeer: () => {} });
  const { code } = await cli("replay", temp.path, server.url, "--loop")
    .allow("--allow-net", `--allow-read=${temp.path}`).run();
  assertEquals(code, 0);
});

Deno.test("a recording can come from stdin, once", async () => {
  using temp = recorded([{ at: 0, data: "a" }, { at: 0, data: "b" }]);
  const heard: Message[] = [];
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => void heard.push(data);
    },
  });
  const input = await Deno.readTextFile(temp.path);
  const { code } = await cli("replay", "-", server.url).input(input).run();
  assertEquals([code, heard], [0, ["a", "b"]]);
  const wrong = await cli("replay", "-", server.url).input("nonsense\n").run();
  assertMatch(wrong.stderr, /: stdin cannot be replayed: line 1 is no event/);
  for (const target of [[server.url, "--loop"], ["--serve", "0"]]) {
    const { stderr, code } = await cli("replay", "-", ...target).run();
    assertMatch(stderr, /--loop and --serve need a FILE/);
    assertEquals(code, 2);
  }
});

Deno.test("a folder in the place of a recording is named", async () => {
  const flags = ["--allow-net", "--allow-read"];
  const { stderr, code } = await cli("replay", ".", "ws://127.0.0.1:9")
    .allow(...flags).run();
  assertMatch(stderr, /the recording cannot be read from \.: /);
  assertEquals(code, 2);
});

Deno.test("a file that is no recording is told by its line, with 2", async () => {
  using temp = new TempFile();
  await Deno.writeTextFile(temp.path, '{"v":1,"type":"open"}\nnonsense\n');
  await using server = serve({ onPeer: () => {} });
  const { code, stderr } = await cli("replay", temp.path, server.url)
    .allow("--allow-net", `--allow-read=${temp.path}`).run();
  assertMatch(stderr, /line 2 is no event/);
  assertEquals(code, 2);
});

function recorded(entries: readonly Timed[]): TempFile {
  const temp = new TempFile();
  const lines = entries.map(({ at, data }) =>
    recordLine(data, "ws://h/", 0, at) + "\n"
  );
  Deno.writeTextFileSync(temp.path, lines.join(""));
  return temp;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

async function* entries(...list: readonly Entry[]): AsyncGenerator<Entry> {
  yield* list;
}

const A = { at: 1_000, data: "a" };
const B = { at: 1_080, data: "b" };
const C = { at: 1_090, data: "c" };

function options(speed: number) {
  const closed = new AbortController();
  const sent: [unknown, number][] = [];
  const start = performance.now();
  return {
    closed,
    sent,
    options: {
      speed,
      signal: closed.signal,
      send: (data: unknown) => {
        sent.push([data, performance.now() - start]);
      },
      flush: () => Promise.resolve(),
    },
  };
}

Deno.test("messages keep their distances, divided by the speed", async () => {
  for (const speed of [1, 2]) {
    let second = Infinity;
    // Never early; late as often as a machine is busy.
    for (let run = 0; run < 20 && second >= 80 / speed + 35; run++) {
      const { sent, options: it } = options(speed);
      assertEquals(await play(entries(A, B, C), it), 3);
      assertEquals(sent.map(([data]) => data), ["a", "b", "c"]);
      second = sent[1]?.[1] ?? NaN;
      assert(second >= 79 / speed, `${second} at ${speed}`);
    }
    assert(second < 80 / speed + 35, `${second} at ${speed}`);
  }
});

Deno.test("times count from when the first message is on the network", async () => {
  const { sent, options: it } = options(1);
  const slowly = () => new Promise((resolve) => setTimeout(resolve, 100));
  await play(entries(A, B), { ...it, flush: slowly });
  const [, second = NaN] = sent[1] ?? [];
  assert(second >= 179, `${second}`);
});

Deno.test("at most speed nothing waits, and times that go back do not either", async () => {
  const { sent, options: it } = options(Infinity);
  await play(entries(C, A, { at: 1e12, data: "z" }), it);
  assertEquals(sent.length, 3);
  const slow = options(1);
  await play(entries(C, A, B), slow.options);
  assertEquals(slow.sent.length, 3);
});

Deno.test("an end in between ends it", async () => {
  const { sent, closed, options: it } = options(1);
  const playing = play(entries(A, { at: 1e9, data: "late" }), it);
  await Promise.resolve();
  setTimeout(() => closed.abort(), 10);
  await assertRejects(() => playing, DOMException);
  assertEquals(sent.length, 1);
});

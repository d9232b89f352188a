/**
 * How long a feed takes into a pipe: our command-line program beside `websocat`,
 * where there is one, and beside a bare receive that writes nothing.
 *
 * Time runs from the start of each program to its end, which is when the server
 * has closed and the pipe is read: a program that leaves before its pipe is
 * written loses lines, and those are counted.
 *
 * ```sh
 * deno task bench piping
 * ```
 *
 * @module
 */

import { canRun } from "../tests/support/foreign_server.ts";
import { TcpPeer, upgrade } from "../tests/support/tcp_peer.ts";
import { median, printTable } from "./harness.ts";

/** How often each program has its turn. */
const ROUNDS = 7;
const MESSAGES = 1_000_000;
/** Messages that are written at a time. */
const BATCH = 2_500;
const SIZE = 100;

const DENO = [Deno.execPath(), "run", "--allow-net", "--no-prompt"];

/** What to run with the server's URL behind it; the first one writes nothing. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  "raw receive": [...DENO, import.meta.url],
  "ws-stream": [
    ...DENO,
    new URL("../cli.ts", import.meta.url).href,
    "--no-reconnect",
    "--quiet",
  ],
  "websocat": ["websocat", "--unidirectional-reverse"],
};

/** What one run found. */
interface Run {
  readonly seconds: number;
  readonly lines: number;
}

async function run(program: readonly string[]): Promise<Run> {
  await using server = new TcpPeer(upgrade({
    then: async ({ write, gone }) => {
      await feed(write);
      // Who hung up first would reset the connection, unread bytes and all.
      await gone();
    },
  }));
  const begun = performance.now();
  // The shell's `wc` is cheaper than counting here, beside the server.
  const script = '"$@" </dev/null | wc -l';
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", ...program, server.url],
    stdout: "piped",
  }).output();
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, lines: Number(new TextDecoder().decode(stdout)) };
}

/** Frames as a server sends them, and its close (RFC 6455, section 5.5.1). */
async function feed(write: (data: Uint8Array) => Promise<void>): Promise<void> {
  const frame = new Uint8Array(2 + SIZE).fill(0x61);
  frame.set([0x81, SIZE]);
  const frames = new Uint8Array(BATCH * frame.length);
  for (let i = 0; i < BATCH; i++) frames.set(frame, i * frame.length);
  for (let i = 0; i < MESSAGES; i += BATCH) await write(frames);
  await write(new Uint8Array([0x88, 2, 0x03, 0xe8]));
}

async function main(): Promise<void> {
  const runs = new Map<string, Run[]>();
  const missing = [];
  for (const [name, [program = ""]] of Object.entries(PROGRAMS)) {
    if (await canRun(program, "--version")) runs.set(name, []);
    else missing.push(`${name} is missing`);
  }
  const names = [...runs.keys()];
  for (let round = 0; round < ROUNDS; round++) {
    // There and back, so that nobody always follows the same one.
    for (const name of names.reverse()) {
      runs.get(name)?.push(await run(PROGRAMS[name] ?? []));
    }
  }
  const [raw = []] = runs.values();
  printTable({
    title: `${MESSAGES} messages of ${SIZE} B into a pipe: the whole process`,
    columns: ["program", "seconds", "least", "of raw", "lines missing"],
    rows: [...runs].map(([name, own]) => [
      name,
      median(own.map(({ seconds }) => seconds)),
      Math.min(...own.map(({ seconds }) => seconds)),
      median(own.map(({ seconds }, i) => seconds / (raw[i]?.seconds ?? NaN))),
      own === raw ? "-" : MESSAGES - Math.min(...own.map(({ lines }) => lines)),
    ]),
    notes: [`medians of ${ROUNDS} runs; ratios are within a round`, ...missing],
  });
}

/** The least that receiving takes: nothing is written. */
function receive(url: string): void {
  const socket = new WebSocket(url);
  let seen = 0;
  socket.onmessage = () => seen++;
  socket.onclose = () => Deno.exit(seen === MESSAGES ? 0 : 1);
}

const [url] = Deno.args;
if (url === undefined) await main();
else receive(url);

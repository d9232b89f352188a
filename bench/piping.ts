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

import { ratio } from "./clients.ts";
import { type Load, startFeeder } from "./feeder.ts";
import { median, output, printTable } from "./harness.ts";

/** How often each program has its turn. */
const ROUNDS = 7;
const LOAD: Load = { name: "100 B", size: 100, count: 1_000_000 };

const DENO = [Deno.execPath(), "run", "--allow-net", "--no-prompt"];

const CLI = [
  ...DENO,
  new URL("../cli.ts", import.meta.url).href,
  "--no-reconnect",
  "--quiet",
];

/** What to run with the server's URL behind it; the first one writes nothing. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  "raw receive": [...DENO, import.meta.url],
  "ws-stream": [...CLI],
  "ws-stream tcp": [...CLI, "--transport", "tcp"],
  "websocat": ["websocat", "--unidirectional-reverse"],
};

/** What one run found. */
interface Run {
  readonly seconds: number;
  readonly lines: number;
}

async function run(program: readonly string[]): Promise<Run> {
  await using server = startFeeder("feed", LOAD);
  const begun = performance.now();
  // The shell's `wc` is cheaper than counting here, beside the server.
  const script = '"$@" </dev/null | wc -l';
  const args = ["-c", script, "sh", ...program, server.url];
  const lines = Number(await output("sh", args));
  return { seconds: (performance.now() - begun) / 1000, lines };
}

async function main(): Promise<void> {
  const runs = new Map<string, Run[]>();
  const missing = [];
  for (const [name, [program = ""]] of Object.entries(PROGRAMS)) {
    const version = await output(program, ["--version"])
      .catch(() => undefined);
    if (version === undefined) missing.push(`${name} is missing here`);
    else runs.set(name, []);
  }
  const names = [...runs.keys()];
  for (let round = 0; round < ROUNDS; round++) {
    // There and back, so that nobody always follows the same one.
    for (const name of names.reverse()) {
      runs.get(name)?.push(await run(PROGRAMS[name] ?? []));
    }
  }
  const seconds = (name: string) =>
    runs.get(name)?.map(({ seconds }) => seconds);
  printTable({
    title: `${LOAD.count} messages of ${LOAD.name} into a pipe: whole process`,
    columns: ["program", "seconds", "x raw", "websocat / it", "lines missing"],
    rows: [...runs].map(([name, own]) => [
      name,
      median(own.map(({ seconds }) => seconds)),
      ratio(seconds(name) ?? [], seconds("raw receive")),
      ratio(seconds("websocat") ?? [], seconds(name)),
      name === "raw receive"
        ? "-"
        : LOAD.count - Math.min(...own.map(({ lines }) => lines)),
    ]),
    notes: [`medians of ${ROUNDS} runs; ratios are within a round`, ...missing],
  });
}

/** The least that receiving takes: nothing is written. */
function receive(url: string): void {
  const socket = new WebSocket(url);
  let seen = 0;
  socket.onmessage = () => seen++;
  socket.onclose = () => Deno.exit(seen === LOAD.count ? 0 : 1);
}

const [url] = Deno.args;
if (url === undefined) await main();
else receive(url);

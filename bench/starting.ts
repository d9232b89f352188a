/**
 * How long our programs take to start, beside an empty one: until they exit, or
 * until the connection that they dial has arrived at the server. Code that a
 * program loads later, while it waits for the network, costs no time.
 *
 * ```sh
 * deno task bench starting
 * ```
 *
 * @module
 */

import { ratio } from "./clients.ts";
import { median, output, printTable } from "./harness.ts";

/** How often each program has its turn. */
const ROUNDS = 15;

const RUN = [Deno.execPath(), "run", "--allow-net", "--no-prompt"];
const CLI = [...RUN, new URL("../cli.ts", import.meta.url).href];

const EMPTY = "an empty program";

/** Programs that exit. */
const EXITING: Readonly<Record<string, readonly string[]>> = {
  [EMPTY]: [...RUN, "data:text/javascript,"],
  "ws-stream --version": [...CLI, "--version"],
  "ws-stream -h": [...CLI, "-h"],
  "import of the module": [
    ...RUN,
    new URL("../mod.ts", import.meta.url).href,
  ],
};

/** Programs that dial the URL behind them. */
const DIALING: Readonly<Record<string, readonly string[]>> = {
  "raw native socket, until it dials": [
    ...RUN,
    "data:text/javascript,new WebSocket(Deno.args[0])",
  ],
  "ws-stream, until it dials": CLI,
  "ws-stream tcp, until it dials": [...CLI, "--transport", "tcp"],
};

/** In milliseconds. */
async function untilExit([command = "", ...args]: readonly string[]) {
  const begun = performance.now();
  await output(command, args);
  return performance.now() - begun;
}

/** In milliseconds. */
async function untilDial([command = "", ...args]: readonly string[]) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  const begun = performance.now();
  const child = new Deno.Command(command, {
    args: [...args, url],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  using _conn = await listener.accept();
  const time = performance.now() - begun;
  child.kill("SIGKILL");
  await child.status;
  return time;
}

const runs = new Map<string, number[]>();
const turns = [
  ...Object.entries(EXITING).map(([name, program]) =>
    [name, () => untilExit(program)] as const
  ),
  ...Object.entries(DIALING).map(([name, program]) =>
    [name, () => untilDial(program)] as const
  ),
];
for (const [name, run] of turns) {
  // The first run fills Deno's caches.
  await run();
  runs.set(name, []);
}
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, run] of turns) runs.get(name)?.push(await run());
}
printTable({
  title: "start of a program",
  columns: ["program", "ms", "x empty"],
  rows: [...runs].map(([name, own]) => [
    name,
    median(own),
    ratio(own, runs.get(EMPTY)),
  ]),
  notes: [`medians of ${ROUNDS} runs; ratios are within a round`],
});

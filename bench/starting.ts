/**
 * How long our programs take to start: until they exit, beside an empty program,
 * or until the connection that they dial has arrived at the server, beside a
 * program of one line that dials. Code that a program loads later, while it
 * waits for the network, costs no time. Also as compiled programs, where
 * `deno compile` works.
 *
 * ```sh
 * deno task bench starting
 * ```
 *
 * @module
 */

import { compileArgs } from "../tools/binaries.ts";
import { ratio } from "./clients.ts";
import { median, output, printTable } from "./harness.ts";

/** How often each program has its turn. */
const ROUNDS = 15;

const ROOT = new URL("../", import.meta.url);
const EMPTY = "";
const DIAL = "new WebSocket(Deno.args[0])";

/** A program, and how to run it. */
interface Program {
  readonly name: string;
  readonly command: readonly string[];
  /** A dialing program gets a URL as its last argument. */
  readonly until: "exit" | "dial";
  /** The name of the program that it is compared with. */
  readonly beside?: string;
}

/** The same programs, run by Deno or compiled. */
function programs(
  how: string,
  commands: Readonly<Record<"empty" | "dial" | "cli", readonly string[]>>,
): Program[] {
  const { empty, dial, cli } = commands;
  const [nothing, bare] = [`${how}empty program`, `${how}one line that dials`];
  const exits = (name: string, ...args: string[]): Program => ({
    name: `${how}${name}`,
    command: [...cli, ...args],
    until: "exit",
    beside: nothing,
  });
  const dials = (name: string, ...args: string[]): Program => ({
    name: `${how}${name}, until it dials`,
    command: [...cli, ...args],
    until: "dial",
    beside: bare,
  });
  return [
    { name: nothing, command: empty, until: "exit" },
    exits("ws-stream --version", "--version"),
    exits("ws-stream -h", "-h"),
    { name: bare, command: dial, until: "dial" },
    dials("ws-stream"),
    dials("ws-stream tcp", "--transport", "tcp"),
  ];
}

function interpreted(): Program[] {
  const run = [Deno.execPath(), "run", "--allow-net", "--no-prompt"];
  return programs("", {
    empty: [...run, `data:text/javascript,${EMPTY}`],
    dial: [...run, `data:text/javascript,${DIAL}`],
    cli: [...run, new URL("cli.ts", ROOT).href],
  });
}

/** @throws {Error} `deno compile` does not work here */
async function compiled(folder: string): Promise<Program[]> {
  const deno = (...args: string[]) => output(Deno.execPath(), args);
  const program = async (name: string, code: string) => {
    await Deno.writeTextFile(`${folder}/${name}.js`, code);
    const binary = `${folder}/${name}`;
    await deno("compile", "--allow-net", "--output", binary, `${binary}.js`);
    return [binary];
  };
  const empty = await program("empty", EMPTY);
  // With a runtime of another version it compiles, and does not start.
  await output(`${folder}/empty`, []);
  const dial = await program("dial", DIAL);
  await deno("task", "bundle");
  await deno(...compileArgs(`${folder}/ws-stream`));
  return programs("compiled: ", { empty, dial, cli: [`${folder}/ws-stream`] });
}

/** In milliseconds. */
function time(
  { command, until }: Program,
  signal: Deno.Signal,
): Promise<number> {
  return until === "exit" ? untilExit(command) : untilDial(command, signal);
}

async function untilExit([command = "", ...args]: readonly string[]) {
  const begun = performance.now();
  await output(command, args);
  return performance.now() - begun;
}

async function untilDial(
  [command = "", ...args]: readonly string[],
  signal: Deno.Signal,
) {
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
  child.kill(signal);
  await child.status;
  return time;
}

async function measure(
  all: readonly Program[],
  notes: readonly string[],
): Promise<void> {
  const runs = new Map<string, number[]>();
  for (const program of all) {
    // The first run fills Deno's caches, if it may end by itself.
    await time(program, "SIGTERM");
    runs.set(program.name, []);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const program of all) {
      runs.get(program.name)?.push(await time(program, "SIGKILL"));
    }
  }
  printTable({
    title: "start of a program",
    columns: ["program", "least ms", "median ms", "x bare"],
    rows: all.map(({ name, beside = "" }) => {
      const own = runs.get(name) ?? [];
      return [
        name,
        Math.min(...own),
        median(own),
        ratio(own, runs.get(beside)),
      ];
    }),
    notes: [
      `${ROUNDS} runs of each, in turn; x bare: as many times as the empty ` +
      "program, or as the line that dials, takes in the same round",
      ...notes,
    ],
  });
}

const folder = await Deno.makeTempDir();
try {
  const notes: string[] = [];
  const binaries = await compiled(folder).catch((error: Error) => {
    notes.push(`no compiled programs: ${error.message.split("\n", 1)}`);
    return [];
  });
  await measure([...interpreted(), ...binaries], notes);
} finally {
  await Deno.remove(folder, { recursive: true });
}

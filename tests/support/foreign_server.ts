/**
 * Other people's servers, each in a process of its own.
 *
 * @module
 */

import { within } from "./events.ts";
import { type TransportCase, TRANSPORTS } from "./transports.ts";

/** A server in another process, on 127.0.0.1; it ends when disposed of. */
export interface ForeignServer extends AsyncDisposable {
  readonly port: number;
  /** `ws://127.0.0.1:PORT` */
  readonly url: string;
}

/** How long a start may take, ms: the first one may have to compile. */
const START = 20_000;

/** Between two tries to connect to a server that is starting, ms. */
const TRY_AGAIN = 10;

/** A program that is not on every machine. */
export type Program<Start> =
  | { readonly start: Start }
  /** Why it cannot be started. */
  | { readonly missing: string };

/**
 * A test that needs such a program. Where it is missing the test is ignored,
 * and the output says why.
 */
export function testWith<Start>(
  program: Program<Start>,
  name: string,
  test: (start: Start) => Promise<void>,
): void {
  if ("start" in program) {
    Deno.test(name, () => test(program.start));
  } else {
    console.log(`skipped: ${name}: ${program.missing}`);
    Deno.test.ignore(name, () => {});
  }
}

/** The same for each transport. */
export function testWithEach<Start>(
  program: Program<Start>,
  name: string,
  test: (start: Start, transport: TransportCase) => Promise<void>,
): void {
  for (const transport of TRANSPORTS) {
    testWith(
      program,
      `${transport.name}: ${name}`,
      (start) => test(start, transport),
    );
  }
}

/** Whether the program is there, and succeeds with these arguments. */
export async function canRun(
  program: string,
  ...args: string[]
): Promise<boolean> {
  try {
    const command = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    return (await command.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A program that a test runs by its name, such as a shell. */
export async function installed(
  program: string,
  ...args: string[]
): Promise<Program<undefined>> {
  return await canRun(program, ...args)
    ? { start: undefined }
    : { missing: `no ${program}` };
}

/** Starts a program whose first line is the port that it listens on. */
export async function startServer(
  program: string,
  args: string[],
): Promise<ForeignServer> {
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const stop = async () => {
    kill(child);
    await child.status;
  };
  try {
    const line = await within(
      firstLine(child.stdout),
      `${program}'s port`,
      START,
    );
    return foreignServer(Number.parseInt(line), stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts a program that cannot choose a free port itself. */
export async function startServerOn(
  port: number,
  program: string,
  args: string[],
): Promise<ForeignServer> {
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
  }).spawn();
  let ended = false;
  const status = child.status.then(() => {
    ended = true;
  });
  const stop = async () => {
    kill(child);
    await status;
  };
  const limit = performance.now() + START;
  while (!await answers(port)) {
    if (ended || performance.now() > limit) {
      await stop();
      throw new Error(`${program} does not listen`);
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
  }
  return foreignServer(port, stop);
}

function foreignServer(
  port: number,
  stop: () => Promise<void>,
): ForeignServer {
  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: stop,
  };
}

async function firstLine(stdout: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const part of stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) return text;
  }
  throw new Error(`it ended after: ${text}`);
}

async function answers(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

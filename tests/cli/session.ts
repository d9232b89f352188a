/**
 * The program as a process in a pipe, for tests that read like a session:
 *
 * ```ts ignore
 * const result = await cli(url, "--linger", "200ms").input("hello\n").run();
 * assertEquals(result.stdout, "hello\n");
 * ```
 *
 * @module
 */

/** What a session may take, in milliseconds: then it is killed. */
const LIMIT = 30_000;

/** How long the close of a connection waits for the server, in milliseconds. */
export const CLOSING = 3_000;

/**
 * Runs up to five times, until it took less than `ms`, as it tells: a busy
 * machine is slow now and then, a fault always.
 */
export async function onceQuicker(
  ms: number,
  run: () => Promise<number>,
): Promise<void> {
  const times: number[] = [];
  while (times.length < 5) {
    const time = await run();
    if (time < ms) return;
    times.push(time);
  }
  throw new Error(`never took less than ${ms} ms, but ${times}`);
}

/** The program, to be run by Deno. */
export const PROGRAM = new URL("../../cli.ts", import.meta.url).pathname;

/** How a session ended. */
export interface SessionResult {
  readonly code: number;
  /** What it died of; on Deno 2.6 as told by the exit code. */
  readonly signal: Deno.Signal | null;
  readonly bytes: Uint8Array;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start to the end, in milliseconds. */
  readonly time: number;
}

/** Begins a session with the arguments of the program. */
export function cli(...args: readonly string[]): Session {
  return new Session(args);
}

/** What is about to run. */
export class Session {
  readonly #args: readonly string[];
  #allowed: readonly string[] = ["--allow-net=127.0.0.1,localhost"];
  #input: Uint8Array | "keep-open" = new Uint8Array();
  #cwd: string | undefined;
  #env: Record<string, string> = {};
  #program: readonly string[] | undefined;

  constructor(args: readonly string[]) {
    this.#args = args;
  }

  /** The permissions, instead of the network of this machine alone. */
  allow(...flags: readonly string[]): this {
    this.#allowed = flags;
    return this;
  }

  /** What stdin holds; without it nothing. */
  input(data: string | Uint8Array): this {
    this.#input = typeof data === "string"
      ? new TextEncoder().encode(data)
      : data;
    return this;
  }

  /** Leaves stdin open until the session is told to close it. */
  typing(): this {
    this.#input = "keep-open";
    return this;
  }

  /** The folder it runs in. */
  in(folder: string): this {
    this.#cwd = folder;
    return this;
  }

  /** More environment. */
  env(variables: Record<string, string>): this {
    this.#env = variables;
    return this;
  }

  /** Another program than `deno run cli.ts`: a compiled one, a shell. */
  program(...words: readonly string[]): this {
    this.#program = words;
    return this;
  }

  /** The words of the command line. */
  get words(): readonly string[] {
    return this.#program !== undefined ? [...this.#program, ...this.#args] : [
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      ...this.#allowed,
      PROGRAM,
      ...this.#args,
    ];
  }

  /** Starts it. */
  start(): Running {
    const [program = "", ...args] = this.words;
    const child = new Deno.Command(program, {
      args,
      cwd: this.#cwd,
      env: this.#env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new Running(child, this.#input);
  }

  /** Runs it to its end. */
  run(): Promise<SessionResult> {
    return this.start().end;
  }
}

/** A session that runs. */
export class Running {
  /** Settles once the process has ended and all of its output is read. */
  readonly end: Promise<SessionResult>;
  /** Settles at the end of the process, though its output may be unread. */
  readonly exited: Promise<unknown>;
  readonly stdout: Transcript;
  readonly stderr: Transcript;
  readonly #child: Deno.ChildProcess;
  #hasExited = false;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  constructor(child: Deno.ChildProcess, input: Uint8Array | "keep-open") {
    this.#child = child;
    this.#stdin = child.stdin.getWriter();
    this.stdout = new Transcript(child.stdout);
    this.stderr = new Transcript(child.stderr);
    this.exited = child.status.then(() => this.#hasExited = true);
    this.end = this.#finish();
    if (input !== "keep-open") void this.#feed(input);
  }

  /** Writes to stdin. */
  type(text: string): Promise<void> {
    return this.#stdin.write(new TextEncoder().encode(text));
  }

  /** Ends stdin. */
  async close(): Promise<void> {
    // Whoever has ended has closed it already.
    await this.#stdin.close().catch(() => {});
  }

  /** Sends a signal, unless it has ended. */
  kill(signal: Deno.Signal): void {
    if (!this.#hasExited) this.#child.kill(signal);
  }

  /** The id of the process. */
  get pid(): number {
    return this.#child.pid;
  }

  async #feed(input: Uint8Array): Promise<void> {
    if (input.length > 0) await this.#stdin.write(input).catch(() => {});
    await this.close();
  }

  async #finish(): Promise<SessionResult> {
    const start = performance.now();
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT);
    const { code, signal } = await this.#child.status;
    clearTimeout(limit);
    await this.close();
    const time = performance.now() - start;
    const bytes = await this.stdout.all();
    await this.stderr.all();
    const { text: stdout } = this.stdout;
    const { text: stderr } = this.stderr;
    const died = signal ?? signalOf(code);
    return { code, signal: died, bytes, stdout, stderr, time };
  }
}

/** Where Deno may not send itself a signal, the exit code says the same. */
function signalOf(code: number): Deno.Signal | null {
  if (!Deno.version.deno.startsWith("2.6.")) return null;
  return code === 130 ? "SIGINT" : code === 143 ? "SIGTERM" : null;
}

/** What a process prints, while it runs and afterwards. */
export class Transcript {
  readonly #chunks: Uint8Array[] = [];
  readonly #done: Promise<void>;
  #stream: ReadableStream<Uint8Array>;
  #arrival = Promise.withResolvers<void>();
  #paused: PromiseWithResolvers<void> | undefined;
  #over = false;
  #isClosed = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#stream = stream;
    this.#done = this.#read();
  }

  /** All so far. */
  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** All so far. */
  get bytes(): Uint8Array {
    const bytes = new Uint8Array(
      this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    );
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** Reads no more until `resume`: what a stalled reader of a pipe does. */
  pause(): void {
    this.#paused ??= Promise.withResolvers();
  }

  /** Reads on. */
  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  /** Reads no more, and closes the pipe after the next read. */
  close(): void {
    this.#isClosed = true;
    this.resume();
  }

  /** Waits until it has printed this, or this holds of what it has printed. */
  async waitFor(
    what: string | RegExp | ((text: string) => boolean),
  ): Promise<void> {
    const holds = typeof what === "string"
      ? includes(what)
      : what instanceof RegExp
      ? (text: string) => what.test(text)
      : what;
    while (!holds(this.text)) {
      if (this.#over) {
        throw new Error(`never printed ${what}, but:\n${this.text}`);
      }
      await this.#arrival.promise;
    }
  }

  /** Everything, at the end. */
  async all(): Promise<Uint8Array> {
    await this.#done;
    return this.bytes;
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#stream) {
      this.#chunks.push(chunk);
      this.#arrive();
      if (this.#paused !== undefined) await this.#paused.promise;
      if (this.#isClosed) break;
    }
    this.#over = true;
    this.#arrive();
  }

  #arrive(): void {
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }
}

function includes(what: string): (text: string) => boolean {
  return (text) => text.includes(what);
}

/**
 * An example as a process, with the permissions of its first line.
 *
 * @module
 */

/** How long a line may take to come, ms: a first start compiles. */
export const LIMIT = 60_000;

const FOLDER = new URL("../../examples/", import.meta.url);

/** How to run an example. */
export interface ExampleOptions {
  readonly args?: readonly string[];
  /** `HOST:PORT` in place of each host that the first line allows, in order. */
  readonly net: readonly string[];
  /** The folder it runs in. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running example. */
export class Example implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #read: Promise<unknown>;
  readonly stdout: Lines;
  readonly stderr: Lines;

  /** Starts the example of this file name. */
  constructor(file: string, options: ExampleOptions) {
    const path = new URL(file, FOLDER);
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        ...permissionsOf(Deno.readTextFileSync(path), options.net),
        path.href,
        ...options.args ?? [],
      ],
      cwd: options.cwd,
      env: { ...options.env, NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.stdout = new Lines(`${file}, stdout`);
    this.stderr = new Lines(`${file}, stderr`);
    this.#read = Promise.all([
      this.stdout.readFrom(this.#child.stdout),
      this.stderr.readFrom(this.#child.stderr),
    ]);
  }

  /** Types a line. */
  type(line: string): Promise<void> {
    return this.#stdin.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Closes its stdin, waits for its end, and returns its exit code. */
  async finish(): Promise<number> {
    await this.#closeStdin();
    const { code } = await this.#child.status;
    await this.#read;
    return code;
  }

  /** Sends a signal, waits for its end, and returns its exit code. */
  async kill(signal: Deno.Signal): Promise<number> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
    return await this.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }

  async #closeStdin(): Promise<void> {
    try {
      await this.#stdin.close();
    } catch {
      // It is closed already, or nobody reads it any more.
    }
  }
}

/** The lines of one stream, as they come. */
export class Lines {
  readonly #name: string;
  readonly #lines: string[] = [];
  #ended = false;
  #onChange = Promise.withResolvers<void>();

  constructor(name: string) {
    this.#name = name;
  }

  /** All lines up to now. */
  get all(): readonly string[] {
    return this.#lines;
  }

  /** Reads to the end. */
  async readFrom(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    let rest = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#changed();
    }
    if (rest !== "") this.#lines.push(rest);
    this.#ended = true;
    this.#changed();
  }

  /**
   * Waits until `count` lines match, and returns them.
   *
   * @throws {Error} with all lines, when the stream ends first or it takes too
   * long.
   */
  async matching(pattern: RegExp, count = 1): Promise<string[]> {
    const { promise: timeout, resolve: giveUp } = Promise.withResolvers<
      string
    >();
    const timer = setTimeout(() => giveUp("timeout"), LIMIT);
    try {
      for (;;) {
        const found = this.#lines.filter((line) => pattern.test(line));
        if (found.length >= count) return found;
        const waited = this.#ended
          ? "end"
          : await Promise.race([this.#onChange.promise, timeout]);
        if (waited !== undefined) {
          throw new Error(
            `${this.#name}: ${found.length} of ${count} lines match ` +
              `${pattern} (${waited}):\n${this.#lines.join("\n")}`,
          );
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #changed(): void {
    const { resolve } = this.#onChange;
    this.#onChange = Promise.withResolvers<void>();
    resolve();
  }
}

/** The flags of the first line, with other hosts. */
export function permissionsOf(text: string, net: readonly string[]): string[] {
  const [first = ""] = text.split("\n");
  const [, flags] = first.match(/^#!\/usr\/bin\/env -S deno run (.*)$/) ?? [];
  if (flags === undefined) throw new Error(`No first line to run: ${first}`);
  return flags.split(" ").map((flag) => {
    if (!flag.startsWith("--allow-net")) return flag;
    const hosts = flag.slice("--allow-net=".length).split(",");
    if (hosts.length !== net.length) {
      throw new Error(`${flag} does not allow ${net.length} hosts`);
    }
    return `--allow-net=${net.join(",")}`;
  });
}

/**
 * The program in a real terminal, for tests of what a person sees: tmux draws
 * it, takes keys and pastes, and tells what is on the screen.
 *
 * @module
 */

import { cli } from "./session.ts";

/** Whether there is a tmux that can hold a terminal here. */
export const hasTmux = Deno.build.os !== "windows" && await canRun("tmux");

/** For the name of a test that cannot run. */
export const tmuxNote = hasTmux ? "" : " (skipped: no tmux)";

/** How long something may take to show, in milliseconds. */
const LIMIT = 30_000;

/** The size of the screen and what the program may do. */
export interface TmuxOptions {
  /** @default 80 */
  readonly columns?: number;
  /** @default 24 */
  readonly rows?: number;
  /** The permissions. @default the network of this machine */
  readonly allow?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const WRAPPER =
  'trap : INT; env "$@"; tmux set-option -g @status $?; exec sleep 600';

let count = 0;

/** A terminal in which the program runs. */
export class Tmux implements AsyncDisposable {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** Starts the program with these arguments. */
  static async start(
    args: readonly string[],
    options: TmuxOptions = {},
  ): Promise<Tmux> {
    const { columns = 80, rows = 24, allow, env = {} } = options;
    const session = allow === undefined ? cli(...args) : cli(...args)
      .allow(...allow);
    return await Tmux.run(session.words, { columns, rows, env });
  }

  /** Starts any program. */
  static async run(
    words: readonly string[],
    { columns = 80, rows = 24, env = {} }: TmuxOptions = {},
  ): Promise<Tmux> {
    const tmux = new Tmux(`ws-stream-test-${Deno.pid}-${count++}`);
    const variables = Object.entries({ ...env })
      .map(([name, value]) => `${name}=${value}`);
    await tmux.#tmux(
      ...["-f", "/dev/null", "new-session", "-d"],
      ...["-x", String(columns), "-y", String(rows)],
      // The terminal outlives the program, and knows how it ended.
      ...["--", "sh", "-c", WRAPPER, "sh"],
      ...variables,
      ...words,
    );
    return tmux;
  }

  /** Types a text. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", "--", text);
  }

  /** Presses keys by the names that tmux gives them: `Enter`, `C-r`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux("send-keys", "--", ...keys);
  }

  /** Pastes a text, in brackets if the program has asked for them. */
  async paste(text: string): Promise<void> {
    await this.#tmux("set-buffer", "--", text);
    await this.#tmux("paste-buffer", "-p", "-d");
  }

  /** Changes the size of the terminal. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", `${columns}`, "-y", `${rows}`);
  }

  /** What is on the screen and above it, without trailing blanks. */
  async screen(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p", "-S", "-")).trimEnd();
  }

  /** The same with the colours, as escape sequences. */
  async colored(): Promise<string> {
    return (await this.#tmux("capture-pane", "-pe", "-S", "-")).trimEnd();
  }

  /** The column and row of the cursor, from 0. */
  async cursor(): Promise<readonly [column: number, row: number]> {
    const text = await this.#tmux(
      ...["display-message", "-p", "#{cursor_x} #{cursor_y}"],
    );
    const [column = NaN, row = NaN] = text.trim().split(" ").map(Number);
    return [column, row];
  }

  /** Waits until this is on the screen; returns the screen. */
  async waitFor(what: string | RegExp): Promise<string> {
    const deadline = performance.now() + LIMIT;
    for (;;) {
      const screen = await this.screen();
      const isThere = typeof what === "string"
        ? screen.includes(what)
        : what.test(screen);
      if (isThere) return screen;
      if (performance.now() > deadline) {
        throw new Error(`never on the screen: ${what}, but:\n${screen}`);
      }
      await pause();
    }
  }

  /** Waits for the end of the program: its exit code, as a shell knows it. */
  async end(): Promise<number> {
    const deadline = performance.now() + LIMIT;
    for (;;) {
      const status = await this.#status();
      if (status !== "") return Number(status);
      if (performance.now() > deadline) {
        throw new Error(`it never ended:\n${await this.screen()}`);
      }
      await pause();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server");
  }

  /** The exit code; empty while the program runs. */
  async #status(): Promise<string> {
    return (await this.#tmux("show-options", "-gqv", "@status")).trim();
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-u", "-L", this.#socket, ...args],
      env: { TERM: "xterm-256color", LC_ALL: "C.UTF-8" },
    }).output();
    const decoder = new TextDecoder();
    if (code !== 0) throw new Error(decoder.decode(stderr));
    return decoder.decode(stdout);
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

async function canRun(program: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args: ["-V"] })
      .output();
    return success;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}

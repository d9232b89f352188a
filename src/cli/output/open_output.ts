/**
 * Where the payload goes: stdout, or the files of `--output`.
 *
 * @module
 */

import { OutputFiles, templateFolder } from "./files.ts";
import { UsageError } from "../args/values.ts";
import type { Flags } from "../args/flags.ts";
import { blockingSink, Output } from "./output.ts";
import { fileNeeds, type Need } from "../permissions.ts";

/** The flags that say where the payload goes. */
export type OutputFlags = Pick<
  Flags,
  "output" | "rotate-size" | "rotate-every"
>;

/** What is to be written, and who is told when it cannot be. */
export interface OutputOptions {
  /** What ends each message. */
  readonly delimiter: string;
  /** The host of the URL, for the names of files. */
  readonly host: string;
  /** The reader of stdout has gone: routine, as in `| head -1`. */
  readonly onBrokenPipe: () => void;
  readonly onError: (error: Error) => void;
  /** Told of each file that is complete. */
  readonly onFile?: (path: string) => void;
}

/** An output and its end. */
export interface OpenOutput extends Disposable {
  readonly output: Output;
}

/** How often a file is looked at whose time may be over, in milliseconds. */
const TICK = 1_000;

/** A smaller file could not hold every batch of messages, in bytes. */
const SMALL_FILE = 1024 * 1024;

/** What writing there must be allowed. */
export function outputNeeds({ output }: OutputFlags): Need[] {
  return output === undefined ? [] : fileNeeds(templateFolder(output));
}

/**
 * Opens the output; its end writes what is left.
 * @throws {UsageError} rotation without files
 */
export function openOutput(
  flags: OutputFlags,
  options: OutputOptions,
): OpenOutput {
  const { "rotate-size": maxSize, "rotate-every": maxAge } = flags;
  if (flags.output === undefined) {
    if (maxSize !== undefined || maxAge !== undefined) {
      throw new UsageError("--rotate-size and --rotate-every need --output");
    }
    const sink = blockingSink(Deno.stdout);
    const output = new Output(sink, options.delimiter, failures(options));
    return { output, [Symbol.dispose]: () => output.flush() };
  }
  const template = flags.output;
  const files = new OutputFiles({
    template,
    host: options.host,
    maxSize,
    maxAge,
    onComplete: options.onFile,
  });
  const output = new Output(
    files,
    options.delimiter,
    failures(options),
    maxSize !== undefined && maxSize < SMALL_FILE ? 0 : undefined,
  );
  const guarded = (action: () => void) => {
    try {
      action();
    } catch (error) {
      failures(options)(error);
    }
  };
  const ticker = setInterval(() => guarded(() => files.completeIfDue()), TICK);
  return {
    output,
    [Symbol.dispose]: () => {
      clearInterval(ticker);
      output.flush();
      guarded(() => files[Symbol.dispose]());
    },
  };
}

function failures({ onBrokenPipe, onError }: OutputOptions) {
  return (error: unknown) => {
    if (error instanceof Deno.errors.BrokenPipe) onBrokenPipe();
    else onError(error instanceof Error ? error : new Error(String(error)));
  };
}

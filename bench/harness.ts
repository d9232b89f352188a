/**
 * What all benchmarks share: tables, and measuring in another process.
 *
 * A benchmark is a program of its own, `bench/NAME.ts`, that prints tables with
 * {@linkcode printTable}; `bench/main.ts` runs all of them, one after another.
 *
 * @module
 */

/** What is printed of one measurement. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** What a reader must know to judge the numbers. */
  readonly notes?: readonly string[];
}

/** Prints a table, and a line about the machine above it. */
export function printTable(table: Table): void {
  console.log(`\n${formatTable(table, describeMachine())}`);
}

/** The table as text: numbers to the right, the first column to the left. */
export function formatTable(
  { title, columns, rows, notes = [] }: Table,
  machine: string,
): string {
  const cells = [columns, ...rows].map((row) => row.map(format));
  const widths = columns.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0))
  );
  const lines = cells.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    }).join("  ").trimEnd()
  );
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const [head = "", ...body] = lines;
  return [title, machine, "", head, rule, ...body, ...notes].join("\n");
}

/** Thousands with commas; of what is small, three digits. */
function format(cell: string | number): string {
  if (typeof cell === "string") return cell;
  return cell.toLocaleString("en", { maximumSignificantDigits: 3 });
}

/** What the numbers were measured on. */
export function describeMachine(): string {
  const { os, arch } = Deno.build;
  const cores = navigator.hardwareConcurrency;
  const model = processorModel();
  return `Deno ${Deno.version.deno}, ${os} ${arch}, ${cores} cores` +
    (model === undefined ? "" : ` (${model})`);
}

function processorModel(): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const text = Deno.readTextFileSync("/proc/cpuinfo");
  return /^model name\s*:\s*(.+)$/m.exec(text)?.[1];
}

/** The middle one; of an even number, the lower of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted[Math.ceil(sorted.length / 2) - 1];
  if (middle === undefined) throw new RangeError("Cannot take the median of 0");
  return middle;
}

/** A script in a process of its own, until it is disposed of. */
export interface Script extends AsyncDisposable {
  /** What it printed as the first line, as JSON. */
  readonly first: unknown;
}

/** A process that has not printed anything by then hangs, ms. */
const LIMIT = 300_000;

/** What V8 is told in every measured process. */
const V8_FLAGS = "--v8-flags=--expose-gc";

/** Runs a command with as many open files as this user may have. */
const RAISE_LIMIT = 'ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"';

/** How many open files a measured process may have. */
export async function openFilesLimit(): Promise<number> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", "ulimit -Hn"],
  }).output();
  const text = new TextDecoder().decode(stdout).trim();
  return text === "unlimited" ? Infinity : Number(text);
}

/**
 * Starts a script and waits for its first line, which is JSON: a port, or a
 * result. Disposing of it kills it.
 */
export async function startScript(
  script: URL,
  ...args: readonly (string | number)[]
): Promise<Script> {
  const run = ["run", "--allow-all", V8_FLAGS, script.href];
  const child = new Deno.Command("sh", {
    args: ["-c", RAISE_LIMIT, Deno.execPath(), ...run, ...args.map(String)],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const stop = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
  };
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT);
  try {
    const first: unknown = JSON.parse(await firstLine(child.stdout));
    return { first, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What a script prints as its first line, as JSON; then it is killed. */
export async function measure(
  script: URL,
  ...args: readonly (string | number)[]
): Promise<unknown> {
  await using running = await startScript(script, ...args);
  return running.first;
}

/**
 * What a program prints.
 * @throws {Error} it cannot be started, or it fails
 */
export async function output(
  program: string,
  args: readonly string[],
  { input = "" }: { readonly input?: string } = {},
): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`${program} failed: ${decoder.decode(stderr).trim()}`);
}

async function firstLine(stdout: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const part of stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    const [line = "", ...more] = text.split("\n");
    if (more.length > 0) return line;
  }
  throw new Error(`The measured process ended after: ${text}`);
}

/** Collects garbage; needs `--v8-flags=--expose-gc`. */
export function collectGarbage(): void {
  collector()();
}

/**
 * Collects garbage and gives back what V8 holds in reserve. It does so by itself
 * in a process that has had nothing to do for about a minute.
 */
export function giveBackReserve(): void {
  collector()({ type: "major", execution: "sync", flavor: "last-resort" });
}

function collector(): (...options: readonly object[]) => void {
  const collect: unknown = Reflect.get(globalThis, "gc");
  if (typeof collect !== "function") {
    throw new Error("Cannot collect garbage: run with --v8-flags=--expose-gc");
  }
  // Without an argument it does more than with `undefined`.
  return (...options) => collect(...options);
}

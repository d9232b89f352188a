/**
 * The clients that the benchmarks compare, in five languages, and how to get
 * and start them. Whatever cannot be had on a machine is left out, and a note
 * below the table says so.
 *
 * Packages and programs are kept in a folder for temporary files, so that only
 * the first run installs and compiles.
 *
 * @module
 */

import { measure, median, output } from "./harness.ts";
import type { Load } from "./feeder.ts";

/** What to run, and what it runs on. */
interface Tool {
  readonly command: readonly string[];
  readonly version: string;
}

/** The clients that do not run under Deno. */
export const FOREIGN = ["npm ws", "websockets", "aiohttp", "Beast"] as const;
type Foreign = typeof FOREIGN[number];

/** What to do with each client. */
export type Mode = "receive" | "send" | "echo";

/** What a burst cost for each message. */
export interface Cost {
  readonly seconds: number;
  /** Processor time in microseconds. */
  readonly processor: number;
}

/** What a process that received or sent bursts found. */
export interface Result {
  readonly perSecond: number;
  /** Processor time for a message, in microseconds. */
  readonly processor: number;
  /** The most memory that the process had, in bytes. */
  readonly rss: number;
}

/**
 * Bursts before the measured ones, until the code is compiled, and those of
 * which the median counts. Sending takes longer.
 */
const BURSTS = {
  receive: { warmUp: 2, measured: 3 },
  send: { warmUp: 1, measured: 2 },
};

/** Slow clients get a part of the burst, so that they take as long as others. */
const SHARE: Readonly<Record<string, number>> = {
  "websockets": 0.2,
  "aiohttp": 0.4,
};

/** The foreign clients that this machine has. */
export class Clients {
  readonly #tools: ReadonlyMap<Foreign, Tool>;

  private constructor(tools: ReadonlyMap<Foreign, Tool>) {
    this.#tools = tools;
  }

  /** Installs and compiles what is missing. */
  static async prepare(): Promise<Clients> {
    const folder = `${tempFolder()}/ws-stream-bench`;
    await Deno.mkdir(folder, { recursive: true });
    const tools = new Map<Foreign, Tool>();
    for (const [name, prepare] of Object.entries(PREPARE)) {
      const tool = await prepare(folder).catch(() => undefined);
      if (tool !== undefined && isForeign(name)) tools.set(name, tool);
    }
    return new Clients(tools);
  }

  /** The clients of a list that can be run here. */
  available(names: readonly string[]): string[] {
    return names.filter((name) => !isForeign(name) || this.#tools.has(name));
  }

  /** Versions, and what is missing. */
  get notes(): string[] {
    const versions = [...this.#tools.values()].map(({ version }) => version);
    const missing = FOREIGN.filter((name) => !this.#tools.has(name));
    return [
      ...(versions.length > 0 ? [versions.join("; ")] : []),
      ...missing.map((name) => `${name} is missing here`),
    ];
  }

  /** Runs a client in a process of its own; what it printed. */
  async run(
    name: string,
    mode: Mode,
    url: string,
    load: Load,
    { bursts = 1, caFile }: { bursts?: number; caFile?: string } = {},
  ): Promise<unknown> {
    const args = [mode, url, load.size, load.count, bursts];
    if (!isForeign(name)) {
      const script = new URL("./clients/deno_client.ts", import.meta.url);
      if (caFile !== undefined) args.push(caFile);
      return await measure(script, name, ...args);
    }
    const tool = this.#tools.get(name);
    if (tool === undefined) throw new TypeError(`${name} is missing`);
    const [program = "", ...first] = tool.command;
    return JSON.parse(await output(program, [...first, ...args.map(String)]));
  }

  /** Runs bursts; the first ones do not count. */
  async bursts(
    name: string,
    mode: "receive" | "send",
    url: string,
    load: Load,
    caFile?: string,
  ): Promise<Result> {
    const { warmUp, measured } = BURSTS[mode];
    // It is our programs that print it.
    const { costs, rss } = await this.run(name, mode, url, load, {
      bursts: warmUp + measured,
      caFile,
    }) as { costs: Cost[]; rss: number };
    const counted = costs.slice(warmUp);
    return {
      perSecond: 1 / median(counted.map(({ seconds }) => seconds)),
      processor: median(counted.map(({ processor }) => processor)),
      rss,
    };
  }
}

/** The load for this client. */
export function shareOf(name: string, load: Load): Load {
  return { ...load, count: Math.ceil(load.count * (SHARE[name] ?? 1)) };
}

/** Runs the contenders in turns, there and back; all results of each. */
export async function inTurns<T>(
  names: readonly string[],
  rounds: number,
  run: (name: string) => Promise<T>,
): Promise<Map<string, T[]>> {
  const results = new Map<string, T[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) results.get(name)?.push(await run(name));
  }
  return results;
}

/** How many times as much as another: within each round, median and range. */
export function ratio(
  own: readonly number[],
  other: readonly number[] | undefined,
): string {
  if (other === undefined) return "-";
  const ratios = own.map((value, round) => value / (other[round] ?? NaN));
  const [least, middle, most] = [
    Math.min(...ratios),
    median(ratios),
    Math.max(...ratios),
  ].map((value) => value.toLocaleString("en", { maximumSignificantDigits: 2 }));
  return `${middle} (${least} to ${most})`;
}

function isForeign(name: string): name is Foreign {
  return FOREIGN.some((foreign) => foreign === name);
}

function tempFolder(): string {
  return Deno.env.get("TMPDIR") ?? Deno.env.get("TEMP") ?? "/tmp";
}

// How to get them ----------------------------------------------------------------

const PREPARE: Readonly<Record<Foreign, (folder: string) => Promise<Tool>>> = {
  "npm ws": async (folder) => {
    const package_ = "ws@8.23.0";
    const path = `${folder}/node_modules/ws/wrapper.mjs`;
    if (!await exists(path)) {
      await output("npm", [
        "install",
        "--no-save",
        "--prefix",
        folder,
        package_,
      ]);
    }
    const node = (await output("node", ["--version"])).trim();
    const script = new URL("./clients/node_ws.mjs", import.meta.url).pathname;
    return {
      command: ["node", script, path],
      version: `npm ${package_} on Node.js ${node}`,
    };
  },
  "websockets": (folder) => python(folder, "websockets"),
  "aiohttp": (folder) => python(folder, "aiohttp"),
  "Beast": async (folder) => {
    const source = new URL("./clients/beast.cpp", import.meta.url).pathname;
    const program = `${folder}/beast`;
    if (await isOlder(program, source)) {
      const options = ["-O2", "-std=c++17", "-o", program];
      await output("g++", [...options, source, "-lpthread"]);
    }
    const compiler = (await output("g++", ["-dumpfullversion"])).trim();
    const boost = await output("g++", ["-E", "-P", "-x", "c++", "-"], {
      input: "#include <boost/version.hpp>\nBOOST_LIB_VERSION\n",
    });
    const [, version = "?"] = /"([\d_]+)"/.exec(boost) ?? [];
    return {
      command: [program],
      version: `Boost.Beast ${
        version.replaceAll("_", ".")
      }, g++ ${compiler}, -O2`,
    };
  },
};

async function python(folder: string, package_: string): Promise<Tool> {
  const bin = `${folder}/venv/bin`;
  if (!await exists(`${bin}/python`)) {
    await output("python3", ["-m", "venv", `${folder}/venv`]);
  }
  const show = "import importlib.metadata as m, platform, sys; " +
    "print(sys.argv[1], m.version(sys.argv[1]), 'on Python', " +
    "platform.python_version())";
  const version = () => output(`${bin}/python`, ["-c", show, package_]);
  const installed = await version().catch(async () => {
    await output(`${bin}/pip`, ["install", "--quiet", package_]);
    return await version();
  });
  const script = new URL("./clients/python_client.py", import.meta.url);
  return {
    command: [`${bin}/python`, script.pathname, package_],
    version: installed.trim(),
  };
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function isOlder(program: string, source: string): Promise<boolean> {
  if (!await exists(program)) return true;
  const [made, written] = await Promise.all([program, source].map(Deno.stat));
  return (made?.mtime ?? 0) < (written?.mtime ?? 0);
}

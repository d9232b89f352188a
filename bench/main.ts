/**
 * Runs the benchmarks, each in a process of its own: all, or those named.
 *
 * ```sh
 * deno task bench
 * deno task bench memory reconnect_storm
 * ```
 *
 * @module
 */

/** In the order in which they run; each is `bench/NAME.ts`. */
const NAMES = [
  "receiving",
  "sending",
  "latency",
  "piping",
  "starting",
  "idle",
  "memory",
  "capacity",
  "reconnect_storm",
  "soak",
];

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) {
    console.error(
      `Unknown: ${unknown.join(", ")}. There is: ${NAMES.join(", ")}`,
    );
    return 2;
  }
  let code = 0;
  for (const name of args.length > 0 ? args : NAMES) {
    console.log(`\n== ${name}`);
    const script = new URL(`./${name}.ts`, import.meta.url);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--v8-flags=--expose-gc", script.href],
    }).spawn();
    code = (await child.status).code || code;
  }
  return code;
}

Deno.exit(await main(Deno.args));

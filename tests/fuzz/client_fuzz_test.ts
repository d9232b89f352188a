/**
 * Random programs and random servers, many at once: what must hold for every
 * client. `FUZZ_SCRIPTS=2000` plays more scripts, `FUZZ_SEED=1` repeats a run,
 * `FUZZ_SCRIPT=17` plays one script of it and prints what happened.
 */

import { assertEquals } from "@std/assert";
import type { TransportName } from "../../mod.ts";
import { serve } from "../../src/server/server.ts";
import { Run } from "./run.ts";

const seed = Number(Deno.env.get("FUZZ_SEED") ?? Date.now() % 2 ** 31);
const scripts = Number(Deno.env.get("FUZZ_SCRIPTS") ?? 200);
const single = Deno.env.get("FUZZ_SCRIPT");

/** How many are played at the same time. */
const AT_ONCE = 12;

for (const transport of ["native", "tcp"] as const) {
  Deno.test(`${transport}: whatever servers, callbacks and programs do, a client keeps its promises`, () =>
    fuzz(transport));
}

async function fuzz(transport: TransportName): Promise<void> {
  console.log(`FUZZ_SEED=${seed} FUZZ_SCRIPTS=${scripts}`);
  const numbers = single === undefined
    ? Array.from({ length: scripts }, (_, number) => number)
    : [Number(single)];
  const runs = new Map<string, Run>();
  const failures: string[] = [];
  let printed = 0;

  using _quiet = silenceConsole();
  await using server = serve({
    closeTimeout: 2_000,
    compression: { threshold: 8 },
    accept: ({ path }) => runs.get(path)?.accept(),
    onPeer: (peer) => runs.get(peer.request.path)?.onPeer(peer),
    onError: (error) => failures.push(`the server: ${error}`),
  });

  async function playInTurn(): Promise<void> {
    for (
      let number = numbers.shift();
      number !== undefined;
      number = numbers.shift()
    ) {
      const run = new Run(server.url, seed, number, transport);
      runs.set(`/${number}`, run);
      const faults = await run.play();
      if (faults.length > 0 && ++printed <= 2) console.log(run.log.join("\n"));
      for (const fault of faults) failures.push(`script ${number}: ${fault}`);
      if (single !== undefined && printed === 0) {
        console.log(run.log.join("\n"));
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, playInTurn));
  assertEquals(failures, []);
}

/** An `onError` that throws is reported there, hundreds of times. */
function silenceConsole(): Disposable {
  const original = console.error;
  console.error = () => {};
  return { [Symbol.dispose]: () => void (console.error = original) };
}

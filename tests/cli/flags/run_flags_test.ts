import { assertEquals } from "@std/assert";
import { parseCommandLine } from "../../../src/cli/args.ts";
import type { Flags } from "../../../src/cli/flags/table.ts";

function flags(...argv: string[]): Flags {
  const request = parseCommandLine(argv);
  if (request.kind !== "run") throw new Error(`it asks for ${request.kind}`);
  return request.flags;
}

Deno.test("a run has the defaults that the help promises", () => {
  const given = flags();
  assertEquals(given.linger, 1000);
  assertEquals(given["queue-max"], 1000);
  assertEquals(given.overflow, "wait");
  assertEquals(given.redeliver, "unflushed");
  assertEquals(given.color, "auto");
  assertEquals(given.binary, undefined);
  assertEquals(given.delimiter, undefined);
  assertEquals(given.timeout, undefined);
  assertEquals(given.count, undefined);
  assertEquals(flags("ping", "ws://a").interval, 1000);
  assertEquals(flags("ping", "ws://a").wait, 2000);
  assertEquals(flags("serve").rate, 10);
  assertEquals(flags("replay", "f").speed, 1);
});

Deno.test("each flag of a run is read in its form", () => {
  const given = flags(
    ..."--binary hex -0 --overflow drop-oldest --queue-max 5".split(" "),
    ..."--redeliver none --spool q --output x-{n} --rotate-size 1kB".split(" "),
    ..."--rotate-every 1h --stats 10s -n 3 --timeout 1m --linger 0".split(" "),
    String.raw`--delimiter=\r\n`,
  );
  assertEquals(given.binary, "hex");
  assertEquals(given.null, true);
  assertEquals(given.overflow, "drop-oldest");
  assertEquals(given["queue-max"], 5);
  assertEquals(given.redeliver, "none");
  assertEquals(given.spool, "q");
  assertEquals(given.output, "x-{n}");
  assertEquals(given["rotate-size"], 1000);
  assertEquals(given["rotate-every"], 3_600_000);
  assertEquals(given.stats, 10_000);
  assertEquals(given.count, 3);
  assertEquals(given.timeout, 60_000);
  assertEquals(given.linger, 0);
  assertEquals(given.delimiter, "\r\n");
});

Deno.test("the flags of single commands are read in their forms", () => {
  const ping = flags("ping", "--message=@@x", "--interval=1ms", "--wait=5s");
  assertEquals(ping.message, { text: "@x" });
  assertEquals(ping.interval, 1);
  assertEquals(ping.wait, 5000);
  const replay = flags("replay", "--speed=max", "--loop", "--serve=:9000");
  assertEquals(replay.speed, Infinity);
  assertEquals(replay.loop, true);
  assertEquals(replay.serve, { hostname: "127.0.0.1", port: 9000 });
  const serve = flags(
    "serve",
    "--feed",
    "--rate=5",
    "--chaos=drop",
    "--seed=0",
  );
  assertEquals([serve.feed, serve.rate, serve.chaos, serve.seed], [
    true,
    5,
    "drop",
    0,
  ]);
});

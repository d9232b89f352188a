import { assertEquals } from "@std/assert";
import { parseCommandLine } from "../../../src/cli/args.ts";
import { limitsOf } from "../../../src/cli/run/limits.ts";

Deno.test("the flags say what ends a run, and how often it tells how it goes", () => {
  const limits = {
    count: 3,
    timeout: 2_000,
    "fail-on-gap": true,
    stats: 10_000,
  };
  assertEquals(limitsOf(limits), {
    count: 3,
    timeout: 2_000,
    failOnGap: true,
    statsEvery: 10_000,
  });
});

Deno.test("without flags nothing ends a run by itself", () => {
  const line = parseCommandLine(["ws://127.0.0.1"]);
  if (!("flags" in line)) throw new Error("no run was asked for");
  assertEquals(limitsOf(line.flags), {
    count: undefined,
    timeout: undefined,
    failOnGap: false,
    statsEvery: undefined,
  });
});

import { assertEquals } from "@std/assert";
import type { Flags } from "../../../src/cli/args/flags.ts";
import { parseCommandLine } from "../../../src/cli/args/parse.ts";

function flags(...argv: string[]): Flags {
  const request = parseCommandLine(argv);
  if (request.kind !== "run") throw new Error(`it asks for ${request.kind}`);
  return request.flags;
}

Deno.test("each flag of the connection is read in its form", () => {
  const given = flags(
    ..."-HA:b --subprotocol v1 --connect-timeout 1s --follow-redirects 2".split(
      " ",
    ),
    ..."--await ^ok --max-retries 3 --initial-backoff 1s --max-backoff 1m"
      .split(" "),
    ..."--ping hi --pong ^ho --ping-interval 5s --ping-timeout 2s".split(" "),
    ..."--idle-timeout 1m --max-connection-age 1h --no-reconnect".split(" "),
    ..."--fatal-close-codes 4001,4003-4004 --on-open @@me".split(" "),
  );
  assertEquals(given.header, [{ name: "A", value: "b" }]);
  assertEquals(given.subprotocol, ["v1"]);
  assertEquals(given["connect-timeout"], 1000);
  assertEquals(given["follow-redirects"], 2);
  assertEquals(given.await[0]?.source, "^ok");
  assertEquals(given["max-retries"], 3);
  assertEquals(given["initial-backoff"], 1000);
  assertEquals(given["max-backoff"], 60_000);
  assertEquals(given.ping, { text: "hi" });
  assertEquals(given.pong?.source, "^ho");
  assertEquals(given["ping-interval"], 5000);
  assertEquals(given["ping-timeout"], 2000);
  assertEquals(given["idle-timeout"], 60_000);
  assertEquals(given["max-connection-age"], 3_600_000);
  assertEquals(given.reconnect, false);
  assertEquals(given["fatal-close-codes"], [4001, 4003, 4004]);
  assertEquals(given["on-open"], [{ text: "@me" }]);
});

Deno.test("what can be switched off is off, not back at its default", () => {
  const given = flags(
    ..."--no-follow-redirects --no-max-retries --no-ping-interval".split(" "),
    ..."--no-idle-timeout --no-max-connection-age".split(" "),
  );
  assertEquals(given["follow-redirects"], 0);
  assertEquals(given["max-retries"], Infinity);
  assertEquals(given["ping-interval"], 0);
  assertEquals(given["idle-timeout"], 0);
  assertEquals(given["max-connection-age"], 0);
});

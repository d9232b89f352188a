import { assertEquals } from "@std/assert";
import { parseCommandLine } from "../../../src/cli/args.ts";
import type { Flags } from "../../../src/cli/flags/table.ts";
import { WebSocketStreamClient } from "../../../mod.ts";
import { clientConfig } from "../../../src/cli/flags/client_config.ts";

function flags(...argv: string[]): Flags {
  const request = parseCommandLine(argv);
  if (request.kind !== "run") throw new Error(`it asks for ${request.kind}`);
  return request.flags;
}

Deno.test("the defaults of the link are those of the library", () => {
  const config = clientConfig(flags(), ["ws://127.0.0.1"]);
  const { connectTimeout, pingTimeout, idleTimeout, maxConnectionAge } = config;
  const { initialBackoff, maxBackoff, maxRetries, reconnect } = config;
  assertEquals({
    connectTimeout,
    pingTimeout,
    idleTimeout,
    maxConnectionAge,
    initialBackoff,
    maxBackoff,
    maxRetries,
    reconnect,
    followRedirects: config.followRedirects,
    fatalCloseCodes: config.fatalCloseCodes,
  }, {
    connectTimeout: 10_000,
    pingTimeout: 20_000,
    idleTimeout: undefined,
    maxConnectionAge: undefined,
    initialBackoff: 500,
    maxBackoff: 30_000,
    maxRetries: undefined,
    reconnect: true,
    followRedirects: 5,
    fatalCloseCodes: undefined,
  });
});

Deno.test("each flag of the link is read in its form", () => {
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
  assertEquals(given.await?.source, "^ok");
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

Deno.test("what can be switched off is off as the library understands it", () => {
  const off = [
    "follow-redirects",
    "max-retries",
    "idle-timeout",
    "max-connection-age",
    "ping-interval",
  ];
  const given = flags("--ping=x", ...off.map((name) => `--no-${name}`));
  const client = new WebSocketStreamClient(
    clientConfig(given, ["ws://127.0.0.1"]),
  );
  assertEquals(client.state, "idle");
  assertEquals(given["max-retries"], Infinity);
  assertEquals(given["ping-interval"], 0);
});

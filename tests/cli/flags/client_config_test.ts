import { assert, assertEquals, assertThrows } from "@std/assert";
import { WebSocketStreamClient } from "../../../mod.ts";
import { parseCommandLine } from "../../../src/cli/args.ts";
import {
  clientConfig,
  clientNeeds,
  headerListOf,
} from "../../../src/cli/flags/client_config.ts";
import type { Flags } from "../../../src/cli/flags/table.ts";
import { UsageError } from "../../../src/cli/flags/values.ts";
import { TempFile } from "../../support/temp_file.ts";

function flags(...argv: readonly string[]): Flags {
  const request = parseCommandLine(argv);
  assert(request.kind === "run");
  return request.flags;
}

Deno.test("without flags it is the client's own defaults", () => {
  const config = clientConfig(flags(), ["ws://h"]);
  new WebSocketStreamClient(config);
  assertEquals(config, {
    url: ["ws://h"],
    headers: undefined,
    subprotocols: undefined,
    tls: undefined,
    proxy: undefined,
    connectTimeout: 10_000,
    followRedirects: 5,
    ping: undefined,
    pingInterval: 0,
    pingTimeout: 20_000,
    idleTimeout: undefined,
    maxConnectionAge: undefined,
    reconnect: true,
    initialBackoff: 500,
    maxBackoff: 30_000,
    maxRetries: undefined,
    fatalCloseCodes: undefined,
    overflow: "wait",
    sendQueueMaxSize: 1000,
    redeliver: "unflushed",
    spool: undefined,
  });
});

Deno.test("every flag arrives", () => {
  const config = clientConfig(
    flags(
      ...["--subprotocol", "a", "--subprotocol", "b", "--proxy", "socks5://p"],
      ...["--connect-timeout", "1s", "--no-follow-redirects"],
      ...["--ping", "hi", "--pong", "^ho$", "--ping-interval", "5s"],
      ...["--ping-timeout", "6s", "--idle-timeout", "7s"],
      ...["--max-connection-age", "8m", "--no-reconnect", "--max-retries", "3"],
      ...["--initial-backoff", "9s", "--max-backoff", "2s"],
      ...["--fatal-close-codes", "4001", "--overflow", "reject"],
      ...["--queue-max", "7", "--redeliver", "none", "--spool", "f"],
    ),
    ["ws://h"],
  );
  new WebSocketStreamClient(config);
  const { ping, ...rest } = config;
  assertEquals(rest, {
    url: ["ws://h"],
    headers: undefined,
    subprotocols: ["a", "b"],
    tls: undefined,
    proxy: "socks5://p",
    connectTimeout: 1_000,
    followRedirects: 0,
    pingInterval: 5_000,
    pingTimeout: 6_000,
    idleTimeout: 7_000,
    maxConnectionAge: 480_000,
    reconnect: false,
    maxRetries: 3,
    initialBackoff: 2_000,
    maxBackoff: 2_000,
    fatalCloseCodes: [4001],
    overflow: "reject",
    sendQueueMaxSize: 7,
    redeliver: "none",
    spool: "f",
  });
  assertEquals(ping?.message, "hi");
  assertEquals(ping?.isPong?.("ho"), true);
  assertEquals(ping?.isPong?.("oho"), false);
});

Deno.test("headers come from flags and files, in order", () => {
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, "X-B: 2\n\nX-C: 3\r\n");
  assertEquals(
    headerListOf(flags("-H", "X-A: 1", "-H", `@${temp.path}`, "-H", "X-D: 4")),
    [["X-A", "1"], ["X-B", "2"], ["X-C", "3"], ["X-D", "4"]],
  );
  Deno.writeTextFileSync(temp.path, "X-B: 2\nsecret nonsense\n");
  const { message } = assertThrows(
    () => headerListOf(flags("-H", `@${temp.path}`)),
    UsageError,
  );
  assertEquals(message.includes("line 2"), true);
  assertEquals(message.includes("secret"), false);
});

Deno.test("credentials come from files of one line", () => {
  using temp = new TempFile();
  const auth = (flag: string, content: string) => {
    Deno.writeTextFileSync(temp.path, content);
    return headerListOf(flags(flag, temp.path));
  };
  assertEquals(auth("--bearer-file", "abc\n"), [
    ["authorization", "Bearer abc"],
  ]);
  assertEquals(auth("--basic-auth-file", "Aladdin:open sesame"), [
    ["authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="],
  ]);
  assertThrows(() => auth("--bearer-file", "a b"), UsageError, "a token");
  assertThrows(() => auth("--bearer-file", "\n"), UsageError, "a token");
  assertThrows(
    () => auth("--basic-auth-file", "nobody"),
    UsageError,
    "USER:PASSWORD",
  );
  const both = ["--bearer-file", temp.path, "--basic-auth-file", temp.path];
  assertThrows(() => headerListOf(flags(...both)), UsageError, "exclude");
});

Deno.test("only what comes from a file is read for each attempt", () => {
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, "one");
  const fixed = clientConfig(flags("-H", "X-A: 1"), ["ws://h"]);
  assertEquals(fixed.headers, [["X-A", "1"]]);
  const { headers } = clientConfig(flags("--bearer-file", temp.path), [
    "ws://h",
  ]);
  assert(typeof headers === "function");
  Deno.writeTextFileSync(temp.path, "two");
  assertEquals(headers(), [["authorization", "Bearer two"]]);
});

Deno.test("what a run must be allowed is known before it", () => {
  const needs = clientNeeds(
    flags(
      ...["--ca", "a", "--cert", "b", "--key", "c", "--bearer-file", "d"],
      ...["-H", "@e", "-H", "X-A: 1", "--on-open", "@f", "--on-open", "g"],
      ...["--ping", "@h", "--spool", "i", "--proxy", "https://p"],
    ),
    ["wss://x/y", "ws://z:81"],
  );
  assertEquals(needs, [
    { kind: "net", host: "x:443" },
    { kind: "net", host: "z:81" },
    { kind: "net", host: "p:443" },
    ...["d", "a", "b", "c", "e", "f", "h", "i"].map((path) => ({
      kind: "read",
      path,
    } as const)),
    { kind: "write", path: "i" },
  ]);
});

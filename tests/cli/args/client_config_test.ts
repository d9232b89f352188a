import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { WSConfig } from "../../../mod.ts";
import {
  clientConfig,
  clientNeeds,
  handshakeConfig,
  headerListOf,
  tlsOf,
} from "../../../src/cli/args/client_config.ts";
import type { Flags } from "../../../src/cli/args/flags.ts";
import { parseCommandLine } from "../../../src/cli/args/parse.ts";
import { UsageError } from "../../../src/cli/args/values.ts";
import { resolveConfig } from "../../../src/resolve_config.ts";
import { certificates } from "../../support/certificates.ts";

const URLS = ["wss://a.example.com/", "wss://b.example.com/"];

function flags(...argv: string[]): Flags {
  const request = parseCommandLine(argv);
  if (request.kind !== "run") throw new Error(`it asks for ${request.kind}`);
  return request.flags;
}

function configOf(...argv: string[]): WSConfig {
  return clientConfig(flags(...argv), URLS);
}

function refusal(...argv: string[]): string {
  return assertThrows(() => configOf(...argv), UsageError).message;
}

/** A folder with these files, until it is disposed of. */
function folderWith(files: Record<string, string>) {
  const path = Deno.makeTempDirSync();
  const put = (name: string, text: string) =>
    Deno.writeTextFileSync(`${path}/${name}`, text);
  for (const [name, text] of Object.entries(files)) put(name, text);
  return {
    path,
    put,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

/** What a provider of headers gives now. */
function headersNow({ headers }: WSConfig): unknown {
  return typeof headers === "function" ? headers() : headers;
}

Deno.test("without flags it is a client as the library makes it, but that closes sooner", () => {
  assertEquals(
    resolveConfig(configOf()),
    resolveConfig({ url: URLS, closeTimeout: 1_000 }),
  );
});

Deno.test("what the flags say reaches the client", () => {
  const given = resolveConfig(configOf(
    ..."--subprotocol v1 --subprotocol v2 --connect-timeout 1s".split(" "),
    ..."--follow-redirects 2 --max-retries 3 --no-reconnect".split(" "),
    ..."--idle-timeout 1m --max-connection-age 1h --ping-timeout 2s".split(" "),
    ..."--fatal-close-codes 4001 --overflow reject --queue-max 5".split(" "),
    ..."--redeliver none --spool queue.db --max-backoff 1m".split(" "),
    ..."--initial-backoff 1s --proxy socks5://localhost:1080".split(" "),
  ));
  assertEquals(given.subprotocols, ["v1", "v2"]);
  assertEquals(given.connectTimeout, 1000);
  assertEquals(given.followRedirects, 2);
  assertEquals(given.maxRetries, 3);
  assertEquals(given.reconnect, false);
  assertEquals(given.idleTimeout, 60_000);
  assertEquals(given.maxConnectionAge, 3_600_000);
  assertEquals(given.pingTimeout, 2000);
  assertEquals(given.fatalCloseCodes, [4001]);
  assertEquals(given.overflow, "reject");
  assertEquals(given.sendQueueMaxSize, 5);
  assertEquals(given.redeliver, "none");
  assertEquals(given.spool, "queue.db");
  assertEquals(given.maxBackoff, 60_000);
  assertEquals(given.initialBackoff, 1000);
  assertEquals(given.proxy?.href, "socks5://localhost:1080");
});

Deno.test("a least wait longer than the longest gives way", () => {
  assertEquals(configOf("--max-backoff=100ms").initialBackoff, 100);
  assertEquals(configOf("--initial-backoff=2m").initialBackoff, 30_000);
});

Deno.test("a heartbeat is a message, and perhaps what answers it", () => {
  assertEquals(configOf("--ping", "hi").ping?.message, "hi");
  assertEquals(configOf("--ping", "hi").pingInterval, 20_000);
  assertEquals(configOf("--ping", "hi").ping?.isPong, undefined);
  const { ping } = configOf("--ping=hi", "--pong=^ho", "--ping-interval=5s");
  assertEquals(ping?.isPong?.("hoho"), true);
  assertEquals(ping?.isPong?.("oh"), false);
  assertEquals(refusal("--pong", "ho"), "--pong needs --ping");
});

Deno.test("an interval of pings without a message selects tcp, which has pings", () => {
  const { transport, pingInterval } = configOf("--ping-interval=5s");
  assertEquals([transport, pingInterval], ["tcp", 5_000]);
  assertEquals(configOf("--transport=tcp").pingInterval, 20_000);
  assertEquals(
    configOf("--ping-interval=5s", "--ping=hi").transport,
    undefined,
  );
  assertEquals(configOf("--no-ping-interval").transport, undefined);
  assertEquals(
    refusal("--ping-interval=5s", "--transport=native"),
    "--ping-interval without --ping needs --transport tcp",
  );
});

Deno.test("headers are given by flags and by files, in their order", () => {
  using folder = folderWith({ more: "\nX-B: 2\r\n\n x-c : 3 \n" });
  assertEquals(
    headersNow(configOf("-HX-A:1", `-H@${folder.path}/more`, "-HX-D:4")),
    [["X-A", "1"], ["X-B", "2"], ["x-c", "3"], ["X-D", "4"]],
  );
});

Deno.test("a wrong line of a file of headers is told by its number alone", () => {
  using folder = folderWith({ wrong: "X-A: 1\n\nsecret token\n" });
  const path = `${folder.path}/wrong`;
  assertEquals(
    refusal(`-H@${path}`),
    "--header must have the form NAME: VALUE " +
      `(line 3 of ${path})`,
  );
});

Deno.test("a bearer token and a password become headers", () => {
  using folder = folderWith({
    token: " abc.def-ghi \n",
    login: "me:Grüße: geheim\n",
  });
  assertEquals(headersNow(configOf("--bearer-file", `${folder.path}/token`)), [
    ["authorization", "Bearer abc.def-ghi"],
  ]);
  const encoded = new TextEncoder().encode("me:Grüße: geheim").toBase64();
  assertEquals(
    headerListOf(flags("-Ha:b", "--basic-auth-file", `${folder.path}/login`)),
    [["a", "b"], ["authorization", `Basic ${encoded}`]],
  );
});

Deno.test("files of headers are read for each attempt: a token may have been renewed", () => {
  for (const flag of ["--bearer-file=", "--basic-auth-file=", "--header=@"]) {
    using folder = folderWith({ secret: "a:old" });
    const config = configOf(`${flag}${folder.path}/secret`);
    const before = JSON.stringify(headersNow(config));
    folder.put("secret", "a:new");
    const renewed = configOf(`${flag}${folder.path}/secret`);
    assertEquals(headersNow(config), headersNow(renewed));
    assertNotEquals(JSON.stringify(headersNow(config)), before);
  }
});

Deno.test("what needs no file is the same for each attempt", () => {
  assertEquals(configOf("-Ha: b").headers, [["a", "b"]]);
  assertEquals(configOf("--subprotocol=v1").subprotocols, ["v1"]);
});

Deno.test("a file that cannot be read is an error of its flag, before anything starts", () => {
  using folder = folderWith({ there: "-----BEGIN X-----" });
  const there = `${folder.path}/there`;
  const wrong = {
    "--header": ["--header=@none"],
    "--bearer-file": ["--bearer-file=none"],
    "--basic-auth-file": ["--basic-auth-file=none"],
    "--ca": ["--ca=none"],
    "--cert": ["--cert=none", `--key=${there}`],
    "--key": [`--cert=${there}`, "--key=none"],
    "--ping": ["--ping=@none"],
  };
  for (const [flag, argv] of Object.entries(wrong)) {
    assertStringIncludes(
      refusal(...argv),
      `${flag} cannot be read from none: `,
    );
  }
});

Deno.test("a file that holds no secret of its form is refused, and not shown", () => {
  using folder = folderWith({ two: "secret\nsecret\n", none: "\n" });
  for (const name of ["two", "none"]) {
    const path = `${folder.path}/${name}`;
    assertEquals(
      refusal("--bearer-file", path),
      `--bearer-file must hold a token on one line: ${path} does not`,
    );
    assertEquals(
      refusal("--basic-auth-file", path),
      `--basic-auth-file must hold USER:PASSWORD on one line: ${path} does not`,
    );
  }
});

Deno.test("what excludes or needs another flag is told", () => {
  using folder = folderWith({ token: "a:b" });
  const path = `${folder.path}/token`;
  assertEquals(
    refusal("--bearer-file", path, "--basic-auth-file", path),
    "--bearer-file and --basic-auth-file cannot be used together",
  );
  for (const flag of ["--cert", "--key"]) {
    assertEquals(refusal(flag, path), "--cert and --key need each other");
  }
});

Deno.test("a key must belong to its certificate", async () => {
  const { good, client } = await certificates();
  using folder = folderWith({
    cert: good.cert,
    key: good.key,
    other: client.key,
  });
  const pair = (name: string) => [
    ...["--cert", `${folder.path}/cert`, "--key", `${folder.path}/${name}`],
  ];
  assertEquals(refusal(...pair("other")), "--key does not belong to --cert");
  assertEquals(tlsOf(flags(...pair("key")))?.cert, good.cert.trimEnd());
});

Deno.test("certificates are read from their files", () => {
  const pem = (name: string) => `-----BEGIN ${name}-----`;
  using folder = folderWith({
    ca: `${pem("CA")}\n`,
    ca2: pem("CA2"),
    cert: pem("C"),
    key: pem("K"),
  });
  const file = (name: string) => `${folder.path}/${name}`;
  assertEquals(tlsOf(flags()), undefined);
  assertEquals(tlsOf(flags("--ca", file("ca"), "--ca", file("ca2"))), {
    caCerts: [pem("CA"), pem("CA2")],
    cert: undefined,
    insecure: undefined,
    serverName: undefined,
    key: undefined,
  });
  assertEquals(
    handshakeConfig(
      flags("--cert", file("cert"), "--key", file("key")),
      URLS,
    ).tls,
    {
      caCerts: [],
      cert: pem("C"),
      insecure: undefined,
      key: pem("K"),
      serverName: undefined,
    },
  );
});

Deno.test("a file without a certificate or key is named, and not shown", () => {
  using folder = folderWith({
    empty: "",
    other: "secret",
    pem: "-----BEGIN X",
  });
  const file = (name: string) => `${folder.path}/${name}`;
  for (const name of ["empty", "other"]) {
    const cases = {
      "--ca": ["--ca", file(name)],
      "--cert": ["--cert", file(name), "--key", file("pem")],
      "--key": ["--cert", file("pem"), "--key", file(name)],
    };
    for (const [flag, args] of Object.entries(cases)) {
      assertEquals(
        refusal(...args),
        `${flag} must hold PEM text ("-----BEGIN ..."): ` +
          `${file(name)} does not`,
      );
    }
  }
});

Deno.test("a proxy is an http, https or socks5 URL, and is not shown: it may hold a password", () => {
  const wrong = [
    "localhost:3128",
    "ftp://me:secret@proxy",
    "http://",
    "secret",
  ];
  for (const proxy of wrong) {
    const rule = "--proxy must be an http://, https:// or socks5:// URL";
    assertEquals(refusal("--proxy", proxy), rule);
    const needed = () => clientNeeds(flags("--proxy", proxy), URLS);
    assertEquals(assertThrows(needed, UsageError).message, rule);
  }
});

Deno.test("a run needs the network of its URLs and its proxy, and its files", () => {
  assertEquals(clientNeeds(flags(), URLS), [
    { kind: "net", host: "a.example.com:443" },
    { kind: "net", host: "b.example.com:443" },
  ]);
  const needs = clientNeeds(
    flags(
      ..."--proxy http://proxy:3128 --bearer-file f1 --ca f2 --ca f3".split(
        " ",
      ),
      ..."--cert f4 --key f5 -H @f6 -H a:b --on-open @f7 --ping @f8".split(" "),
      ..."--spool queue.db --on-open text".split(" "),
    ),
    [],
  );
  assertEquals(needs, [
    { kind: "net", host: "proxy:3128" },
    ...["f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8"]
      .map((path) => ({ kind: "read", path }) as const),
    { kind: "read", path: "queue.db" },
    { kind: "write", path: "queue.db" },
  ]);
  const others = clientNeeds(
    flags("ping", "--message=@f9", "--basic-auth-file=f10"),
    [],
  );
  assert(
    ["f9", "f10"].every((name) =>
      others.some((need) => need.kind === "read" && need.path === name)
    ),
  );
});

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import type { WSConfig } from "../src/config.ts";
import { resolveConfig, type ResolvedConfig } from "../src/resolve_config.ts";

const URL_GIVEN = "wss://example.com/feed";
const KIB = 1024;

/** Options as a program without types could give them. */
function resolve(options: Record<string, unknown>) {
  return resolveConfig({ url: URL_GIVEN, ...options } as WSConfig);
}

/** What a configuration keeps of the headers it was given. */
function entries(headers: ResolvedConfig["headers"]): string[][] {
  assert(headers instanceof Headers);
  return [...headers];
}

const DEFAULTS: ResolvedConfig = {
  endpoints: [URL_GIVEN],
  transport: "native",
  headers: undefined,
  subprotocols: undefined,
  tls: undefined,
  proxy: undefined,
  httpClient: undefined,
  compression: false,
  maxMessageBytes: 64 * KIB * KIB,
  followRedirects: 5,
  connectTimeout: 10_000,
  closeTimeout: 3_000,
  ping: undefined,
  pingInterval: 0, // 20_000, once there is something to send
  pingTimeout: 20_000,
  idleTimeout: 0,
  staleTimeout: 0,
  maxConnectionAge: 0,
  reconnect: true,
  initialBackoff: 500,
  maxBackoff: 30_000,
  backoffMultiplier: 2,
  jitter: 1,
  stableAfter: 5_000,
  maxRetries: Infinity,
  retryBudget: Infinity,
  fatalCloseCodes: [],
  classify: undefined,
  signal: undefined,
  sendQueueMaxSize: 1000,
  sendQueueMaxBytes: 16 * KIB * KIB,
  overflow: "wait",
  sendRate: undefined,
  redeliver: "unflushed",
  spool: undefined,
  receiveBufferMaxSize: 10_000,
  receiveBufferMaxBytes: 64 * KIB * KIB,
  receiveOverflow: "disconnect",
  decode: undefined,
};

/** Every option of the tcp transport, each with a value that is not its default. */
const GIVEN = {
  url: URL_GIVEN,
  transport: "tcp",
  headers: { authorization: "Bearer abc" },
  subprotocols: ["graphql-transport-ws"],
  tls: { caCerts: ["-----BEGIN CERTIFICATE-----"] },
  proxy: "socks5://127.0.0.1:1080",
  compression: { threshold: 0, contextTakeover: false },
  maxMessageBytes: 1,
  followRedirects: 0,
  connectTimeout: 1,
  closeTimeout: 0,
  ping: { message: "ping" },
  pingInterval: 1_000,
  pingTimeout: 2_000,
  idleTimeout: 3_000,
  staleTimeout: 3_500,
  maxConnectionAge: 4_000,
  reconnect: false,
  initialBackoff: 1,
  maxBackoff: 2,
  backoffMultiplier: 1,
  jitter: 0,
  stableAfter: 0,
  maxRetries: 0,
  retryBudget: 1,
  fatalCloseCodes: [4001],
  classify: () => undefined,
  signal: new AbortController().signal,
  sendQueueMaxSize: 1,
  sendQueueMaxBytes: 1,
  overflow: "reject",
  sendRate: { messages: 5, interval: 1_000 },
  redeliver: "none",
  spool: "queue.db",
  receiveBufferMaxSize: 1,
  receiveBufferMaxBytes: 1,
  receiveOverflow: "drop-oldest",
  decode: (data) => data,
} as const satisfies WSConfig;

Deno.test("an address alone makes a complete configuration", () => {
  const resolved = resolve({});
  for (const [key, value] of Object.entries(DEFAULTS)) {
    assertEquals(Reflect.get(resolved, key), value, key);
  }
});

Deno.test("a resolved configuration is one flat object with every key", () => {
  const shown = Deno.inspect(resolve({ closeTimeout: 1 }));
  for (const key of Object.keys(DEFAULTS)) {
    assertStringIncludes(shown, `${key}:`);
  }
  assertEquals(
    Object.keys(resolve({})).sort(),
    Object.keys(DEFAULTS).sort(),
  );
});

Deno.test("each given value is in the resolved configuration", () => {
  const resolved = resolve(GIVEN);
  const { url: _, headers, proxy, tls, ping, ...plain } = GIVEN;
  for (const [key, value] of Object.entries(plain)) {
    assertEquals(Reflect.get(resolved, key), value, key);
  }
  assertEquals(entries(resolved.headers), Object.entries(headers));
  assertEquals(resolved.proxy, new URL(proxy));
  assertEquals(resolved.tls?.caCerts, tls.caCerts);
  assertEquals(resolved.ping?.message, ping.message);
});

Deno.test("any key whose value is undefined counts as absent", () => {
  for (const key of [...Object.keys(GIVEN), "httpClient"]) {
    if (key === "url") continue;
    assertEquals(resolve({ [key]: undefined }), resolve({}), key);
  }
});

Deno.test("null is refused for every key, and the error names it", () => {
  for (const key of [...Object.keys(GIVEN), "httpClient"]) {
    const error = assertThrows(() => resolve({ [key]: null }), TypeError);
    assertStringIncludes(error.message, `'${key}'`);
    assertStringIncludes(error.message, "null");
  }
});

Deno.test("an unknown key is refused, and so is a misspelt one", () => {
  for (const key of ["foo", "URL", "reconect", "timeout", "__proto_"]) {
    assertThrows(() => resolve({ [key]: 1 }), TypeError, `'${key}'`);
  }
});

Deno.test("a configuration is an object", () => {
  const wrong: unknown[] = [
    null,
    undefined,
    1,
    "wss://h/",
    [],
    () => URL_GIVEN,
  ];
  for (const value of wrong) {
    assertThrows(
      () => resolveConfig(value as WSConfig),
      TypeError,
      "Cannot use 'WSConfig' as it must be an object",
    );
  }
});

Deno.test("a resolved configuration is frozen, and so are its lists", () => {
  const resolved = resolve(GIVEN);
  assert(Object.isFrozen(resolved));
  for (const key of ["endpoints", "fatalCloseCodes", "tls", "ping"]) {
    assert(Object.isFrozen(Reflect.get(resolved, key)), key);
  }
});

// Numbers --------------------------------------------------------------------

const LONGEST = 2 ** 31 - 1;
const DURATION_SAYS = `a number of milliseconds from 0 to ${LONGEST}`;
const POSITIVE_SAYS =
  `a number of milliseconds greater than 0 and at most ${LONGEST}`;
const COUNT_SAYS = "a whole number from 1";

interface NumberOption {
  readonly key: keyof WSConfig;
  readonly says: string;
  readonly allowed: readonly number[];
  readonly refused: readonly number[];
}

/** What no number option takes. */
const NEVER = [NaN, -1, -0.5, -Infinity];
const POSITIVE = { allowed: [0.5, LONGEST], refused: [0, 2 ** 31, Infinity] };
const FROM_ZERO = { allowed: [0, 0.5, LONGEST], refused: [2 ** 31, Infinity] };
const COUNTED = { allowed: [1, 2 ** 40], refused: [0, 1.5, Infinity] };

const NUMBERS: readonly NumberOption[] = [
  { key: "connectTimeout", says: POSITIVE_SAYS, ...POSITIVE },
  { key: "closeTimeout", says: DURATION_SAYS, ...FROM_ZERO },
  { key: "pingTimeout", says: POSITIVE_SAYS, ...POSITIVE },
  { key: "idleTimeout", says: DURATION_SAYS, ...FROM_ZERO },
  { key: "staleTimeout", says: DURATION_SAYS, ...FROM_ZERO },
  { key: "maxConnectionAge", says: DURATION_SAYS, ...FROM_ZERO },
  { key: "maxBackoff", says: POSITIVE_SAYS, ...POSITIVE },
  { key: "stableAfter", says: DURATION_SAYS, ...FROM_ZERO },
  { key: "initialBackoff", says: POSITIVE_SAYS, ...POSITIVE },
  {
    key: "backoffMultiplier",
    says: "a number from 1",
    allowed: [1, 1.5],
    refused: [0, 0.99, Infinity],
  },
  {
    key: "jitter",
    says: "a number from 0 to 1",
    allowed: [0, 0.5, 1],
    refused: [1.01, Infinity],
  },
  {
    key: "maxRetries",
    says: "a whole number from 0, or Infinity",
    allowed: [0, 1, Infinity],
    refused: [0.5],
  },
  {
    key: "retryBudget",
    says: `${POSITIVE_SAYS}, or Infinity`,
    allowed: [0.5, LONGEST, Infinity],
    refused: [0, 2 ** 31],
  },
  {
    key: "followRedirects",
    says: "a whole number from 0",
    allowed: [0, 20],
    refused: [0.5, Infinity],
  },
  { key: "sendQueueMaxSize", says: COUNT_SAYS, ...COUNTED },
  { key: "sendQueueMaxBytes", says: COUNT_SAYS, ...COUNTED },
  { key: "receiveBufferMaxSize", says: COUNT_SAYS, ...COUNTED },
  { key: "receiveBufferMaxBytes", says: COUNT_SAYS, ...COUNTED },
];

for (const { key, says, allowed, refused } of NUMBERS) {
  Deno.test(`${key} is ${says}`, () => {
    for (const value of allowed) {
      assertStrictEquals(Reflect.get(resolve({ [key]: value }), key), value);
    }
    for (const value of [...NEVER, ...refused]) {
      assertThrows(
        () => resolve({ [key]: value }),
        RangeError,
        `Cannot use '${key}' as it must be ${says}: current value is ${value}`,
      );
    }
    for (const value of ["1", true, 1n, [1], {}]) {
      assertThrows(
        () => resolve({ [key]: value }),
        TypeError,
        `Cannot use '${key}' as it must be ${says}: current value is `,
      );
    }
  });
}

Deno.test("every option with a number as its default is in the table above", () => {
  const numbers = Object.entries(DEFAULTS)
    .filter(([, value]) => typeof value === "number")
    .map(([key]) => key)
    .filter((key) => key !== "pingInterval" && key !== "maxMessageBytes");
  assertEquals(numbers.sort(), NUMBERS.map(({ key }) => key).sort());
});

Deno.test("one backoff given alone adjusts the other", () => {
  assertEquals(resolve({ maxBackoff: 100 }).initialBackoff, 100);
  assertEquals(resolve({ maxBackoff: 1_000 }).initialBackoff, 500);
  assertEquals(resolve({ initialBackoff: 60_000 }).maxBackoff, 60_000);
  assertEquals(resolve({ initialBackoff: 1_000 }).maxBackoff, 30_000);
  assertThrows(
    () => resolve({ maxBackoff: 100, initialBackoff: 101 }),
    RangeError,
    "Cannot use 'initialBackoff' as it must be at most 'maxBackoff' (100): " +
      "current value is 101",
  );
});

Deno.test("a pingInterval needs a ping.message, and the error says why", () => {
  assertEquals(resolve({ ping: { message: "p" } }).pingInterval, 20_000);
  assertEquals(resolve({ ping: { answer: () => "a" } }).pingInterval, 0);
  assertEquals(resolve({ pingInterval: 0 }).pingInterval, 0);
  const ping = { message: "p" };
  assertEquals(resolve({ ping, pingInterval: 0 }).pingInterval, 0);
  for (const config of [{}, { ping: { answer: () => "a" } }]) {
    const error = assertThrows(
      () => resolve({ ...config, pingInterval: 5_000 }),
      TypeError,
      "Cannot use 'pingInterval' without 'ping.message'",
    );
    assertStringIncludes(error.message, "cannot send ping frames");
    assertStringIncludes(error.message, "5000");
  }
  for (const value of [...NEVER, Infinity]) {
    assertThrows(() => resolve({ pingInterval: value }), RangeError);
  }
});

// Transports -----------------------------------------------------------------

Deno.test("tcp sends protocol pings unless there is a message to send", () => {
  const tcp = { transport: "tcp" };
  assertEquals(resolve(tcp).pingInterval, 20_000);
  assertEquals(resolve({ ...tcp, pingInterval: 5 }).pingInterval, 5);
  assertEquals(resolve({ ...tcp, pingInterval: 0 }).pingInterval, 0);
  const ping = { answer: () => undefined };
  assertEquals(resolve({ ...tcp, ping }).pingInterval, 20_000);
});

Deno.test("a slow reader pauses tcp, and disconnects the native socket", () => {
  assertEquals(resolve({ transport: "tcp" }).receiveOverflow, "pause");
  assertEquals(resolve({ transport: "native" }).receiveOverflow, "disconnect");
});

const CLIENT = Deno.createHttpClient({});
CLIENT.close();

/** Options that one transport alone has. */
const ONE_SIDED: readonly (readonly [
  on: "native" | "tcp",
  key: string,
  options: Record<string, unknown>,
])[] = [
  ["tcp", "compression", { compression: true }],
  ["tcp", "compression", { compression: {} }],
  ["tcp", "maxMessageBytes", { maxMessageBytes: 1 }],
  ["tcp", "tls.insecure", { tls: { insecure: true } }],
  ["tcp", "tls.serverName", { tls: { serverName: "h" } }],
  ["tcp", "receiveOverflow", { receiveOverflow: "pause" }],
  ["native", "httpClient", { httpClient: CLIENT }],
];

for (const [on, key, options] of ONE_SIDED) {
  Deno.test(`${Deno.inspect(options)} is an option of ${on} alone`, () => {
    resolve({ ...options, transport: on });
    const other = on === "tcp" ? "native" : "tcp";
    const error = assertThrows(
      () => resolve({ ...options, transport: other }),
      TypeError,
      `Cannot use '${key}' with transport "${other}"`,
    );
    assertStringIncludes(error.message, `set transport to "${on}"`);
  });
}

Deno.test("native accepts the tcp options that are switched off", () => {
  resolve({ compression: false, maxMessageBytes: 64 * KIB * KIB });
  resolve({ tls: { insecure: false, serverName: undefined } });
});

Deno.test("only tcp accepts a Unix socket as its address", () => {
  const url = "ws+unix:/run/feed.sock:/feed?a=b";
  assertEquals(resolve({ url, transport: "tcp" }).endpoints, [url]);
  assertThrows(() => resolve({ url }), TypeError, 'transport "tcp"');
  for (const wrong of ["ws+unix:feed", "ws+unix://h/feed", "ws+unix:/"]) {
    assertThrows(
      () => resolve({ url: wrong, transport: "tcp" }),
      TypeError,
      "Cannot use 'url' as it must be ws+unix:/path/to/socket",
    );
  }
});

Deno.test("compression has defaults, and may be given in detail", () => {
  const resolved = (compression: unknown) =>
    resolve({ transport: "tcp", compression }).compression;
  const defaults = { threshold: 1024, contextTakeover: true };
  assertEquals(resolved(true), defaults);
  assertEquals(resolved({}), defaults);
  assertEquals(resolved(false), false);
  assertEquals(resolved({ threshold: 0 }), { ...defaults, threshold: 0 });
  assert(Object.isFrozen(resolved(true)));
  for (const threshold of [-1, 0.5, Infinity]) {
    assertThrows(() => resolved({ threshold }), RangeError, "threshold");
  }
});

Deno.test("maxMessageBytes is a whole number from 1", () => {
  for (const value of [...NEVER, 0, 1.5, Infinity]) {
    assertThrows(
      () => resolve({ transport: "tcp", maxMessageBytes: value }),
      RangeError,
      `Cannot use 'maxMessageBytes' as it must be ${COUNT_SAYS}: ` +
        `current value is ${value}`,
    );
  }
});

Deno.test("a send rate is a number of messages and an interval", () => {
  const sendRate = { messages: 5, interval: 1_000 };
  assertEquals(resolve({ sendRate }).sendRate, sendRate);
  for (
    const [wrong, key] of [
      [{ ...sendRate, messages: 0 }, "sendRate.messages"],
      [{ ...sendRate, messages: 0.5 }, "sendRate.messages"],
      [{ ...sendRate, interval: 0 }, "sendRate.interval"],
      [{ ...sendRate, interval: 2 ** 31 }, "sendRate.interval"],
    ] as const
  ) assertThrows(() => resolve({ sendRate: wrong }), RangeError, `'${key}'`);
});

// Addresses ------------------------------------------------------------------

Deno.test("an address is a text, a URL, a list of them, or a function", () => {
  const url = new URL("ws://h/a");
  const { href } = url;
  assertEquals(resolve({ url: "ws://h/a" }).endpoints, [href]);
  assertEquals(resolve({ url }).endpoints, [href]);
  const list = ["ws://h/a", "ws://h/b", url];
  assertEquals(resolve({ url: list }).endpoints, [href, "ws://h/b"], "once");
  const provider = () => url;
  assertEquals(resolve({ url: provider }).endpoints, [provider]);
});

Deno.test("an address that is changed later changes nothing", () => {
  const url = new URL("ws://h/a");
  const list = [url];
  const { endpoints } = resolve({ url: list });
  url.pathname = "/b";
  list.push(url);
  assertEquals(endpoints, ["ws://h/a"]);
});

const WRONG_ADDRESSES: readonly (readonly [value: unknown, says: string])[] = [
  [undefined, "a ws:// or wss:// URL or a list of them"],
  [5, "a ws:// or wss:// URL or a list of them"],
  [[], "a ws:// or wss:// URL or a list of them"],
  ["", "an absolute ws:// or wss:// URL"],
  ["/feed", "an absolute ws:// or wss:// URL"],
  ["example.com", "an absolute ws:// or wss:// URL"],
  ["https://example.com", "a ws:// or wss:// URL"],
  [new URL("file:///feed"), "a ws:// or wss:// URL"],
  ["ws://h/#top", "without a fragment ('#')"],
  ["ws://h/#", "without a fragment ('#')"],
  ["ws://h:0/", "with a port from 1 to 65535"],
  [["ws://h/", "http://h/"], "a ws:// or wss:// URL"],
  [["ws://h/", 5], "a ws:// or wss:// URL"],
];

for (const [value, says] of WRONG_ADDRESSES) {
  Deno.test(`the address ${Deno.inspect(value)} is refused: it must be ${says}`, () => {
    assertThrows(
      () => resolve({ url: value }),
      TypeError,
      `Cannot use 'url' as it must be ${says}: current value is `,
    );
  });
}

// The others -----------------------------------------------------------------

const WRONG_KINDS: readonly (readonly [key: string, values: unknown[]])[] = [
  ["transport", ["TCP", "udp", 1, {}, true]],
  ["compression", ["yes", 1, [], { level: 1 }, { contextTakeover: 1 }]],
  ["maxMessageBytes", ["1", {}, [1]]],
  ["sendRate", [5, "5/s", {}, { messages: 5 }, { messages: "5", interval: 1 }]],
  ["decode", ["gzip", {}, true]],
  ["reconnect", [0, "yes", {}]],
  ["overflow", ["Wait", "drop", 1, {}]],
  ["receiveOverflow", ["wait", 1, { conflate: "symbol" }, { key: () => 1 }]],
  ["redeliver", ["all", true, {}, { id: () => 1 }]],
  ["spool", ["", 1, {}]],
  ["classify", ["fatal", {}]],
  ["signal", [{}, new AbortController(), "abort"]],
  ["fatalCloseCodes", [4001, "4001", {}, ["4001"]]],
  ["headers", ["a: b", 5, [["a"]], Promise.resolve({}), new Date()]],
  ["subprotocols", [5, "a b", ["a", "a"], ["a", "A"], [""], "a,b"]],
  ["ping", ["ping", {}, { message: 5 }, { isPong: () => true }]],
  ["tls", [
    { serverName: "" },
    { serverName: 5 },
    { insecure: 1 },
    "pem",
    [],
    { ca: "" },
    { caCerts: 5 },
    { caCerts: [5] },
  ]],
  ["proxy", [5, {}, "127.0.0.1:1080", "ftp://h/", "ws://h/", ""]],
  ["httpClient", [{}, "client", () => {}]],
];

for (const [key, values] of WRONG_KINDS) {
  Deno.test(`a wrong ${key} throws a TypeError that names it`, () => {
    for (const value of values) {
      const error = assertThrows(() => resolve({ [key]: value }), TypeError);
      assertInstanceOf(error, TypeError);
      assertStringIncludes(error.message, key, Deno.inspect(value));
      assertStringIncludes(error.message, "Cannot use '");
    }
  });
}

Deno.test("every other option has a wrong value in the tables", () => {
  const tables = [
    "url",
    "pingInterval",
    ...NUMBERS.map(({ key }) => key),
    ...WRONG_KINDS.map(([key]) => key),
  ];
  assertEquals(tables.sort(), [...Object.keys(GIVEN), "httpClient"].sort());
});

Deno.test("headers and subprotocols may be functions, which are not called here", () => {
  const fail = () => {
    throw new Error("called");
  };
  const { headers, subprotocols } = resolve({
    headers: fail,
    subprotocols: fail,
  });
  assertEquals([headers, subprotocols], [fail, fail]);
});

Deno.test("a ping that is changed later changes nothing", () => {
  const message = Uint8Array.of(1);
  const { ping } = resolve({ transport: "tcp", ping: { message } });
  message[0] = 2;
  assertEquals(ping?.message, Uint8Array.of(1));
});

Deno.test("headers and subprotocols that are changed later change nothing", () => {
  const headers = { "x-id": "1" };
  const subprotocols = ["chat"];
  const resolved = resolve({ headers, subprotocols });
  headers["x-id"] = "two\nlines";
  subprotocols.push("chat");
  assertEquals(entries(resolved.headers), [["x-id", "1"]]);
  assertEquals(resolved.subprotocols, ["chat"]);
});

Deno.test("a header whose value is undefined is absent", () => {
  const { headers } = resolve({
    headers: { Authorization: undefined, "X-Id": "1" },
  });
  assertEquals(entries(headers), [["x-id", "1"]]);
});

// Secrets --------------------------------------------------------------------

const SECRET = "s3cr3t";
const KEY = `-----BEGIN PRIVATE KEY-----\n${SECRET}\n`;

/** Mistakes around a secret. */
const MISTAKES: readonly Record<string, unknown>[] = [
  { url: `https://user:${SECRET}@h/` },
  { url: `https://${SECRET}@h/` },
  { url: `https://h/?token=${SECRET}` },
  { url: `wss://user:${SECRET}@h:99999/` },
  { url: `wss://h/#access_token=${SECRET}` },
  { url: `user:${SECRET}@h` },
  { url: { href: `wss://user:${SECRET}@h/` } },
  { url: ["wss://h/", `http://u:${SECRET}@h/`] },
  { url: ["wss://h/", { token: SECRET }] },
  { headers: `Authorization: Bearer ${SECRET}` },
  { headers: { authorization: `Bearer ${SECRET}\r\nx: y` } },
  { headers: { authorization: `Bearer ${SECRET}\u20ac` } },
  { headers: { authorization: `Bearer ${SECRET}\x01` } },
  { headers: { [`Bearer ${SECRET}`]: "" } },
  { headers: [["authorization", `Bearer ${SECRET}`, "x"]] },
  { tls: KEY },
  { tls: [KEY] },
  { tls: { key: KEY } },
  { tls: { cert: "no PEM", key: KEY } },
  { tls: { cert: KEY, key: SECRET } },
  { tls: { caCerts: SECRET } },
  { tls: { caCerts: { pem: SECRET } } },
  { tls: { caCerts: [[KEY]] } },
  { proxy: `ftp://user:${SECRET}@h/` },
  { proxy: `ftp://${SECRET}@h/` },
  { proxy: `http://user:${SECRET}@h:99999/` },
  { proxy: `user:${SECRET}@h:1080` },
  { proxy: { url: "http://h/", basicAuth: { password: SECRET } } },
  { httpClient: { key: KEY } },
  { subprotocols: [`bearer ${SECRET}`] },
  { subprotocols: [SECRET, SECRET] },
  { ping: SECRET },
  { ping: { message: { token: SECRET } } },
];

for (const mistake of MISTAKES) {
  Deno.test(`no secret is in the error for ${JSON.stringify(mistake)}`, () => {
    const error = assertThrows(() => resolve(mistake), TypeError);
    const shown = Deno.inspect(error, { depth: 9 });
    assertFalse(shown.includes(SECRET), shown);
  });
}

Deno.test("no secret is in the error for a URL in the place of the options", () => {
  const url: unknown = `wss://user:${SECRET}@h/`;
  const error = assertThrows(() => resolveConfig(url as WSConfig));
  assertFalse(Deno.inspect(error).includes(SECRET));
});

Deno.test("random options are resolved or refused by name", () => {
  const keys = fc.constantFrom(...Object.keys(GIVEN), "httpClient", "other");
  const values = fc.oneof(
    fc.double(),
    fc.string(),
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(...Object.values(GIVEN)),
  );
  fc.assert(fc.property(fc.dictionary(keys, values), (options) => {
    try {
      assert(Object.isFrozen(resolve(options)));
    } catch (error) {
      assert(error instanceof TypeError || error instanceof RangeError);
      const { message } = error;
      const named = Object.keys(options).filter((key) => message.includes(key));
      assert(message.startsWith("Cannot use '") && named.length > 0, message);
    }
  }));
});

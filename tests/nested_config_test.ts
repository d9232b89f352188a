import {
  assert,
  assertEquals,
  assertExists,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { PingConfig, WSConfig } from "../src/config.ts";
import { resolveConfig, type ResolvedConfig } from "../src/resolve_config.ts";

/** Options as a program without types could give them. */
function resolve(options: Record<string, unknown>): ResolvedConfig {
  return resolveConfig({ url: "wss://h/", ...options } as WSConfig);
}

/** The value of one key, given the value and other options. */
function checked<K extends keyof ResolvedConfig & keyof WSConfig>(
  key: K,
  value: unknown,
  others: Partial<WSConfig> = {},
): NonNullable<ResolvedConfig[K]> {
  const result = resolve({ ...others, [key]: value })[key];
  assertExists(result);
  return result;
}

const CERT = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n";
const KEY = "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n";

Deno.test("certificate authorities may be one PEM text or a list of them", () => {
  assertEquals(checked("tls", {}).caCerts, []);
  assertEquals(checked("tls", { caCerts: CERT }).caCerts, [CERT]);
  assertEquals(checked("tls", { caCerts: [CERT, CERT] }).caCerts, [CERT, CERT]);
});

Deno.test("a list of authorities that is changed later changes nothing", () => {
  const given = [CERT];
  const { caCerts } = checked("tls", { caCerts: given });
  given.push("");
  assertEquals(caCerts, [CERT]);
  assert(Object.isFrozen(caCerts));
});

Deno.test("a client certificate comes with its key", () => {
  const tls = checked("tls", { cert: CERT, key: KEY });
  assertEquals([tls.cert, tls.key], [CERT, KEY]);
  assert(Object.isFrozen(tls));
  assertThrows(() => checked("tls", { cert: CERT }), TypeError, "lacks 'key'");
  assertThrows(() => checked("tls", { key: KEY }), TypeError, "lacks 'cert'");
});

Deno.test("a path instead of PEM text is refused by name", () => {
  const cases: [tls: Record<string, unknown>, key: string, kind: string][] = [
    [{ caCerts: "ca.pem" }, "tls.caCerts", "a string"],
    [{ caCerts: [CERT, "ca.pem"] }, "tls.caCerts", "a string"],
    [{ caCerts: null }, "tls.caCerts", "null"],
    [{ caCerts: 5 }, "tls.caCerts", "a number"],
    [{ caCerts: new Uint8Array(3) }, "tls.caCerts", "an object"],
    [{ cert: "cert.pem", key: KEY }, "tls.cert", "a string"],
    [{ cert: CERT, key: "key.pem" }, "tls.key", "a string"],
    [{ cert: CERT, key: null }, "tls.key", "null"],
  ];
  for (const [tls, key, kind] of cases) {
    assertThrows(
      () => checked("tls", tls),
      TypeError,
      `Cannot use '${key}' as it must be PEM text ("-----BEGIN ..."): ` +
        `current value is ${kind}`,
    );
  }
});

Deno.test("a proxy speaks HTTP, HTTPS or SOCKS5", () => {
  for (const scheme of ["http", "https", "socks5"]) {
    const url = `${scheme}://user:pw@127.0.0.1:1080`;
    assertEquals(checked("proxy", url), new URL(url));
    assertEquals(checked("proxy", new URL(url)), new URL(url));
  }
  for (const url of ["socks4://h/", "ws://h/", "h:1080", "", "/"]) {
    assertThrows(() => checked("proxy", url), TypeError, "'proxy'");
  }
});

Deno.test("a proxy that is changed later changes nothing", () => {
  const given = new URL("http://h/");
  const proxy = checked("proxy", given);
  given.host = "other";
  assertEquals(proxy.host, "h");
});

Deno.test("an HTTP client brings its own certificates and proxy", () => {
  using httpClient = Deno.createHttpClient({});
  assertStrictEquals(checked("httpClient", httpClient), httpClient);
  resolve({ httpClient, tls: undefined, proxy: undefined });
  for (const clash of [{ tls: {} }, { proxy: "http://h/" }]) {
    const [key] = Object.keys(clash);
    assertThrows(
      () => resolve({ httpClient, ...clash }),
      TypeError,
      `Cannot use '${key}' together with 'httpClient'`,
    );
  }
  assertThrows(
    () => resolve({ httpClient: {} }),
    TypeError,
    "Cannot use 'httpClient' as it must be a Deno.HttpClient: " +
      "current value is an object",
  );
});

Deno.test("a heartbeat sends something, answers something, or both", () => {
  const message = () => "ping";
  const isPong = () => true;
  const answer = () => undefined;
  const pings: PingConfig[] = [
    { message: "ping" },
    { message: "" },
    { message: new Uint8Array(1) },
    { message, isPong },
    { answer },
    { message, isPong, answer },
  ];
  for (const ping of pings) {
    assert(Object.isFrozen(checked("ping", ping)));
    assertEquals(checked("ping", ping).message, ping.message);
    assertStrictEquals(checked("ping", ping).isPong, ping.isPong);
    assertStrictEquals(checked("ping", ping).answer, ping.answer);
  }
});

Deno.test("a heartbeat that does nothing is refused, and the error says what is missing", () => {
  const cases: [ping: Record<string, unknown>, says: string][] = [
    [{}, "'ping' as it must be given a 'message', an 'answer' or both"],
    [{ message: undefined }, "'ping' as it must be given a 'message'"],
    [{ isPong: () => true }, "'ping' as it must be given a 'message'"],
    [
      { isPong: () => true, answer: () => undefined },
      "'ping.isPong' without 'ping.message'",
    ],
    [{ message: 5 }, "'ping.message' as it must be a string, a Uint8Array"],
    [{ message: null }, "'ping.message' as it must be"],
    [{ message: [1] }, "'ping.message' as it must be"],
    [{ message: "a", isPong: null }, "'ping.isPong' as it must be a function"],
    [{ message: "a", isPong: /a/ }, "'ping.isPong' as it must be a function"],
    [{ answer: "pong" }, "'ping.answer' as it must be a function"],
    [{ mesage: "a" }, "'mesage' in ping"],
  ];
  for (const [ping, says] of cases) {
    assertThrows(() => checked("ping", ping), TypeError, says);
  }
});

Deno.test("fatal close codes are a list from 1000 to 4999, or a function", () => {
  const isFatal = (code: number) => code > 4000;
  assertStrictEquals(checked("fatalCloseCodes", isFatal), isFatal);
  assertEquals(checked("fatalCloseCodes", []), []);
  assertEquals(checked("fatalCloseCodes", [1000, 4999]), [1000, 4999]);
  assert(Object.isFrozen(checked("fatalCloseCodes", [4001])));
  for (const code of [0, 999, 5000, 4001.5, NaN, Infinity, -1]) {
    assertThrows(
      () => checked("fatalCloseCodes", [4001, code]),
      RangeError,
      "Cannot use 'fatalCloseCodes' as it must be a whole number " +
        `from 1000 to 4999: current value is ${code}`,
    );
  }
});

Deno.test("acknowledged redelivery needs both functions; its window has a default", () => {
  const id = () => 1;
  const acknowledged = () => undefined;
  const redeliver = { id, acknowledged };
  assertEquals(
    checked("redeliver", "unflushed", { sendQueueMaxSize: 9 }),
    "unflushed",
  );
  assertEquals(checked("redeliver", "none", { sendQueueMaxSize: 9 }), "none");
  assertEquals(checked("redeliver", redeliver, { sendQueueMaxSize: 9 }), {
    ...redeliver,
    window: 9,
  });
  assertEquals(
    checked("redeliver", { ...redeliver, window: undefined }, {
      sendQueueMaxSize: 9,
    }),
    { ...redeliver, window: 9 },
  );
  assertEquals(
    checked("redeliver", { ...redeliver, window: 3 }, { sendQueueMaxSize: 9 }),
    { ...redeliver, window: 3 },
  );
  const wrong: [value: unknown, key: string][] = [
    ["all", "redeliver"],
    [null, "redeliver"],
    [{ id }, "redeliver.acknowledged"],
    [{ acknowledged }, "redeliver.id"],
    [{ id: "id", acknowledged }, "redeliver.id"],
    [{ ...redeliver, window: null }, "redeliver.window"],
    [{ ...redeliver, window: "3" }, "redeliver.window"],
    [{ ...redeliver, windows: 3 }, "windows"],
  ];
  for (const [value, key] of wrong) {
    assertThrows(
      () => checked("redeliver", value, { sendQueueMaxSize: 9 }),
      TypeError,
      `'${key}'`,
    );
  }
  for (const window of [0, -1, 0.5, NaN, Infinity]) {
    assertThrows(
      () =>
        checked("redeliver", { ...redeliver, window }, { sendQueueMaxSize: 9 }),
      RangeError,
      `'redeliver.window'`,
    );
  }
});

Deno.test("a full buffer disconnects, drops, or keeps the latest of each key", () => {
  for (const policy of ["disconnect", "drop-oldest", "drop-newest"] as const) {
    assertEquals(checked("receiveOverflow", policy), policy);
  }
  const conflate = () => "symbol";
  const policy = checked("receiveOverflow", { conflate });
  assertEquals(policy, { conflate });
  assert(Object.isFrozen(policy));
  const wrong: [value: unknown, key: string][] = [
    ["wait", "receiveOverflow"],
    [null, "receiveOverflow"],
    [{}, "receiveOverflow.conflate"],
    [{ conflate: "symbol" }, "receiveOverflow.conflate"],
    [{ conflate, key: "symbol" }, "key"],
  ];
  for (const [value, key] of wrong) {
    assertThrows(
      () => checked("receiveOverflow", value),
      TypeError,
      `'${key}'`,
    );
  }
});

import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type {
  PingConfig,
  ReceiveOverflow,
  Redelivery,
  TlsConfig,
  WSConfig,
} from "../src/config.ts";
import {
  checkFatalCloseCodes,
  checkHttpClient,
  checkPing,
  checkProxy,
  checkReceiveOverflow,
  checkRedelivery,
  checkTls,
} from "../src/nested_options.ts";

const CERT = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n";
const KEY = "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n";

Deno.test("certificate authorities may be one PEM text or a list of them", () => {
  assertEquals(checkTls({}).caCerts, []);
  assertEquals(checkTls({ caCerts: CERT }).caCerts, [CERT]);
  assertEquals(checkTls({ caCerts: [CERT, CERT] }).caCerts, [CERT, CERT]);
});

Deno.test("a list of authorities that is changed later changes nothing", () => {
  const given = [CERT];
  const { caCerts } = checkTls({ caCerts: given });
  given.push("");
  assertEquals(caCerts, [CERT]);
  assert(Object.isFrozen(caCerts));
});

Deno.test("a client certificate comes with its key", () => {
  const tls = checkTls({ cert: CERT, key: KEY });
  assertEquals([tls.cert, tls.key], [CERT, KEY]);
  assert(Object.isFrozen(tls));
  assertThrows(() => checkTls({ cert: CERT }), TypeError, "lacks 'key'");
  assertThrows(() => checkTls({ key: KEY }), TypeError, "lacks 'cert'");
});

Deno.test("a path in the place of PEM text is refused, and which one it was", () => {
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
      () => checkTls(tls as TlsConfig),
      TypeError,
      `Cannot use '${key}' as it must be PEM text ("-----BEGIN ..."): ` +
        `current value is ${kind}`,
    );
  }
});

Deno.test("a proxy speaks HTTP, HTTPS or SOCKS5", () => {
  for (const scheme of ["http", "https", "socks5"]) {
    const url = `${scheme}://user:pw@127.0.0.1:1080`;
    assertEquals(checkProxy(url), new URL(url));
    assertEquals(checkProxy(new URL(url)), new URL(url));
  }
  for (const url of ["socks4://h/", "ws://h/", "h:1080", "", "/"]) {
    assertThrows(() => checkProxy(url), TypeError, "'proxy'");
  }
});

Deno.test("a proxy that is changed later changes nothing", () => {
  const given = new URL("http://h/");
  const proxy = checkProxy(given);
  given.host = "other";
  assertEquals(proxy.host, "h");
});

Deno.test("an HTTP client brings its own certificates and proxy", () => {
  using httpClient = Deno.createHttpClient({});
  const url = "ws://h/";
  checkHttpClient({ url, httpClient });
  checkHttpClient({ url, httpClient, tls: undefined, proxy: undefined });
  for (const clash of [{ tls: {} }, { proxy: "http://h/" }]) {
    const [key] = Object.keys(clash);
    assertThrows(
      () => checkHttpClient({ url, httpClient, ...clash }),
      TypeError,
      `Cannot use '${key}' together with 'httpClient'`,
    );
  }
  assertThrows(
    () => checkHttpClient({ url, httpClient: {} } as WSConfig),
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
    assert(Object.isFrozen(checkPing(ping)));
    assertEquals(checkPing(ping).message, ping.message);
    assertStrictEquals(checkPing(ping).isPong, ping.isPong);
    assertStrictEquals(checkPing(ping).answer, ping.answer);
  }
});

Deno.test("a heartbeat that can do nothing is refused, and says what it lacks", () => {
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
    assertThrows(() => checkPing(ping as PingConfig), TypeError, says);
  }
});

Deno.test("fatal close codes are a list from 1000 to 4999, or a function", () => {
  const isFatal = (code: number) => code > 4000;
  assertStrictEquals(checkFatalCloseCodes(isFatal), isFatal);
  assertEquals(checkFatalCloseCodes([]), []);
  assertEquals(checkFatalCloseCodes([1000, 4999]), [1000, 4999]);
  assert(Object.isFrozen(checkFatalCloseCodes([4001])));
  for (const code of [0, 999, 5000, 4001.5, NaN, Infinity, -1]) {
    assertThrows(
      () => checkFatalCloseCodes([4001, code]),
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
  assertEquals(checkRedelivery("unflushed", 9), "unflushed");
  assertEquals(checkRedelivery("none", 9), "none");
  assertEquals(checkRedelivery(redeliver, 9), { ...redeliver, window: 9 });
  assertEquals(
    checkRedelivery({ ...redeliver, window: undefined }, 9),
    { ...redeliver, window: 9 },
  );
  assertEquals(
    checkRedelivery({ ...redeliver, window: 3 }, 9),
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
      () => checkRedelivery(value as Redelivery, 9),
      TypeError,
      `'${key}'`,
    );
  }
  for (const window of [0, -1, 0.5, NaN, Infinity]) {
    assertThrows(
      () => checkRedelivery({ ...redeliver, window }, 9),
      RangeError,
      `'redeliver.window'`,
    );
  }
});

Deno.test("a full buffer disconnects, drops, or keeps the latest of each key", () => {
  for (const policy of ["disconnect", "drop-oldest", "drop-newest"] as const) {
    assertEquals(checkReceiveOverflow("overflow", policy), policy);
  }
  const conflate = () => "symbol";
  const checked = checkReceiveOverflow("overflow", { conflate });
  assertEquals(checked, { conflate });
  assert(Object.isFrozen(checked));
  const wrong: [value: unknown, key: string][] = [
    ["wait", "overflow"],
    [null, "overflow"],
    [{}, "overflow.conflate"],
    [{ conflate: "symbol" }, "overflow.conflate"],
    [{ conflate, key: "symbol" }, "key"],
  ];
  for (const [value, key] of wrong) {
    assertThrows(
      () => checkReceiveOverflow("overflow", value as ReceiveOverflow),
      TypeError,
      `'${key}'`,
    );
  }
});

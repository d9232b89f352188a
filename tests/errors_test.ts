import {
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertNotStrictEquals,
  assertStrictEquals,
} from "@std/assert";
import fc from "fast-check";
import {
  callbackError,
  causeText,
  redactUrl,
  WSError,
  type WSErrorOptions,
} from "../src/errors.ts";

const FACTS: WSErrorOptions = {
  code: "HTTP_STATUS",
  severity: "transient",
  cause: new TypeError("below"),
  closeCode: 1013,
  reason: "try again later",
  status: 429,
  headers: new Headers({ "retry-after": "3" }),
  retryAfter: 3_000,
  url: "wss://user:hunter2@example.com/feed?token=abc&symbol=BTC",
};

Deno.test("an error carries every fact it was made from", () => {
  const error = new WSError("refused", FACTS);
  assertInstanceOf(error, Error);
  assertEquals(error.name, "WSError");
  assertEquals(error.message, "refused");
  const { url: _, ...facts } = FACTS;
  for (const [key, value] of Object.entries(facts)) {
    assertStrictEquals(Reflect.get(error, key), value, key);
  }
});

Deno.test("exception is another name for the cause", () => {
  assertStrictEquals(new WSError("", FACTS).exception, FACTS.cause);
  const bare = new WSError("", { code: "DNS", severity: "transient" });
  assertEquals(bare.exception, undefined);
  assertFalse(Object.hasOwn(bare, "cause"));
});

Deno.test("the URL of an error is shown without its secrets", () => {
  const error = new WSError("refused", FACTS);
  assertEquals(error.url, "wss://example.com/feed?token=***&symbol=BTC");
  const shown = Deno.inspect(error, { depth: 9 });
  assertFalse(shown.includes("hunter2") || shown.includes("abc"), shown);
});

Deno.test("an error that is judged anew differs in its severity alone", () => {
  const error = new WSError("refused", FACTS);
  assertStrictEquals(error.withSeverity("transient"), error);
  const fatal = error.withSeverity("fatal");
  assertNotStrictEquals(fatal, error);
  assertEquals(fatal.severity, "fatal");
  assertEquals(error.severity, "transient");
  const { message, url, code } = error;
  assertEquals([fatal.message, fatal.url, fatal.code], [message, url, code]);
  const { severity: _, url: __, ...kept } = FACTS;
  for (const [key, value] of Object.entries(kept)) {
    assertStrictEquals(Reflect.get(fatal, key), value, key);
  }
});

Deno.test("an error that is judged anew still tells where it came from", () => {
  const error = new WSError("refused", FACTS);
  assertEquals(error.withSeverity("fatal").stack, error.stack);
});

const REDACTED: readonly (readonly [given: string, shown: string])[] = [
  ["wss://example.com/feed", "wss://example.com/feed"],
  ["wss://user:pw@example.com/", "wss://example.com/"],
  ["wss://token@example.com/", "wss://example.com/"],
  ["wss://h/?symbol=BTC&depth=5", "wss://h/?symbol=BTC&depth=5"],
  ["wss://h/?token=t&a=1", "wss://h/?token=***&a=1"],
  ["wss://h/?access_token=t", "wss://h/?access_token=***"],
  ["wss://h/?X-Amz-Signature=t", "wss://h/?X-Amz-Signature=***"],
  ["wss://h/?apiKey=t&api_key=u", "wss://h/?apiKey=***&api_key=***"],
  ["wss://h/?PASSWORD=t", "wss://h/?PASSWORD=***"],
  ["wss://h/?sid=t", "wss://h/?sid=***"],
  ["wss://h/?side=buy", "wss://h/?side=buy"],
  ["wss://h/?token=t&token=u", "wss://h/?token=***&token=***"],
  [`wss://h/?v=${"a1".repeat(12)}`, "wss://h/?v=***"],
  [`wss://h/?v=${"a1".repeat(11)}`, `wss://h/?v=${"a1".repeat(11)}`],
  ["wss://h/?from=2024-01-01", "wss://h/?from=2024-01-01"],
  [
    "wss://h/?q=two%20words%20of%20some%20length",
    "wss://h/?q=two%20words%20of%20some%20length",
  ],
  ["wss://h/feed#access_token=t", "wss://h/feed"],
  ["socks5://user:pw@h:1080", "socks5://h:1080"],
  // Not URLs, but meant to be: what a secret could be in is cut off.
  ["wss://user:pw@h:99999/feed", "wss://h:99999/feed"],
  ["wss://user:p/w@h:99999/feed", "wss://h:99999/feed"],
  ["wss://user:p?w@h:99999/feed", "wss://***"],
  ["//user:pw@h/", "//h/"],
  ["user:pw@h/feed", "h/feed"],
  ["h/feed?token=t", "h/feed"],
  ["h/feed#token=t", "h/feed"],
  ["", ""],
];

for (const [given, shown] of REDACTED) {
  Deno.test(`the URL ${JSON.stringify(given)} is shown as ${JSON.stringify(shown)}`, () => {
    assertEquals(redactUrl(given), shown);
  });
}

Deno.test("URLs in what was thrown are shown without their secrets", () => {
  const cases: [thrown: unknown, text: string][] = [
    [new Error("no URL: a?token=1"), "no URL: a?token=1"],
    [new Error('GET "https://h/?key=t"'), 'GET "https://h/?key=***"'],
    [
      new Error("<wss://u:p@h/> or http://h/?a=1,"),
      "<wss://h/> or http://h/?a=1,",
    ],
    ["at (http://h/?sig=s)", "at (http://h/?sig=***"],
    ["x=http://u:(p)'@h/?a=1", "x=http://h/?a=1"],
    ["wss://u:p@h:99999/ fails", "wss://h:99999/ fails"],
    ["wss://\u00fc:\u00e9@\u00f6/ fails", "wss://xn--nda/ fails"],
    ["no ws://, wss:// or 'ws://'.", "no ws://, wss:// or 'ws://'."],
    [undefined, "undefined"],
    [Object.create(null), "something that cannot be shown"],
  ];
  for (const [thrown, text] of cases) {
    assertEquals(causeText(thrown), text);
    assertEquals(callbackError("f", thrown).message, `f threw: ${text}`);
  }
});

Deno.test("a URL object is left as it was", () => {
  const url = new URL("wss://user:pw@h/?token=t#x");
  redactUrl(url);
  assertEquals(url.href, "wss://user:pw@h/?token=t#x");
});

Deno.test("no password, token or fragment is ever shown, whatever the rest of the URL", () => {
  const secret = "s3cr3t";
  const word = fc.stringMatching(/^[a-z0-9]{0,8}$/);
  const property = fc.property(
    fc.constantFrom("ws:", "wss:", "http:", "foo:", ""),
    fc.constantFrom("//", ""),
    fc.constantFrom("", `${secret}@`, `u:${secret}@`, `:${secret}@`),
    fc.constantFrom("h", "h.example", "[::1]", "h:99999", "h h", "%"),
    word,
    fc.constantFrom("", `?token=${secret}`, `?a=1&sig=${secret}`),
    fc.constantFrom("", `#${secret}`, `#token=${secret}`),
    (scheme, slashes, user, host, path, query, hash) => {
      const url = `${scheme}${slashes}${user}${host}/${path}${query}${hash}`;
      const shown = redactUrl(url);
      assertFalse(shown.includes(secret), `${url} is shown as ${shown}`);
      assertEquals(redactUrl(shown), shown, "redacting twice changes nothing");
    },
  );
  fc.assert(property);
});

Deno.test("the host and the path are always shown", () => {
  const words = fc.array(fc.stringMatching(/^[a-z0-9%_-]{1,6}$/));
  const property = fc.property(words, fc.nat(65535), (path, port) => {
    const { host, pathname } = new URL(`ws://h:${port}/${path.join("/")}`);
    const shown = redactUrl(`ws://u:p@${host}${pathname}?a=1`);
    assertEquals(shown, `ws://${host}${pathname}?a=1`);
  });
  fc.assert(property);
});

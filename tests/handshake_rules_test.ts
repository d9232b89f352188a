import {
  assert,
  assertEquals,
  assertNotMatch,
  assertThrows,
} from "@std/assert";
import { checkHeaders, checkSubprotocols, checkUrl } from "../src/rules.ts";

Deno.test("ws:// and wss:// URLs are taken, as text and as URL", () => {
  const hrefs = ["ws://h/", "wss://u:p@h:8443/a?b=c", "ws://[::1]:80/"];
  for (const href of hrefs) {
    assertEquals(checkUrl(href).href, new URL(href).href);
    assertEquals(checkUrl(new URL(href)).href, new URL(href).href);
  }
});

Deno.test("the URL is copied", () => {
  const url = new URL("ws://h/");
  const checked = checkUrl(url);
  url.pathname = "/other";
  assertEquals(checked.pathname, "/");
});

const BAD_URLS: readonly (readonly [unknown, string])[] = [
  ["http://h/", "a ws:// or wss:// URL"],
  ["/feed", "an absolute ws:// or wss:// URL"],
  ["", "an absolute ws:// or wss:// URL"],
  ["ws://", "an absolute ws:// or wss:// URL"],
  ["ws://h/#part", "without a fragment"],
  ["ws://h/#", "without a fragment"],
  [undefined, "a ws:// or wss:// URL"],
  [null, "a ws:// or wss:// URL"],
  [7, "a ws:// or wss:// URL"],
  [{ href: "ws://h/" }, "a ws:// or wss:// URL"],
];

for (const [value, rule] of BAD_URLS) {
  Deno.test(`${Deno.inspect(value)} is no URL to dial, and the rule is named`, () => {
    const error = assertThrows(() => checkUrl(value), TypeError);
    assert(error.message.startsWith(`Cannot use 'url' as it must be ${rule}`));
    assert(error.message.includes("current value is"));
  });
}

Deno.test("a URL that is refused does not show its secrets", () => {
  const value = "http://user:hush@h/?token=hush#hush";
  const error = assertThrows(() => checkUrl(value), TypeError);
  assertNotMatch(error.message, /hush/);
});

Deno.test("headers come as record, pairs or Headers, and are copied", () => {
  const given = new Headers({ "x-own": "1" });
  for (const value of [{ "X-Own": "1" }, [["x-own", "1"]], given]) {
    const headers = checkHeaders(value);
    assertEquals([...headers], [["x-own", "1"]]);
  }
  const copy = checkHeaders(given);
  given.set("x-own", "2");
  assertEquals(copy.get("x-own"), "1");
});

Deno.test("a header whose value is undefined is absent, as record and in pairs", () => {
  const record = { authorization: undefined, "x-own": "1" };
  for (const value of [record, Object.entries(record)]) {
    assertEquals([...checkHeaders(value)], [["x-own", "1"]]);
  }
});

Deno.test("headers may say who asks", () => {
  const value = {
    authorization: "Bearer x",
    cookie: "a=b",
    origin: "https://h",
    "user-agent": "ws-stream",
    "x-name": "J\xf6rg\t!",
  };
  assertEquals(Object.fromEntries(checkHeaders(value)), value);
});

const BAD_HEADERS = [
  "Connection",
  "Upgrade",
  "Host",
  "Content-Length",
  "Transfer-Encoding",
  "Sec-WebSocket-Key",
  "Sec-WebSocket-Version",
  "Sec-WebSocket-Extensions",
  "Sec-WebSocket-Accept",
  "Sec-WebSocket-Protocol",
];

for (const name of BAD_HEADERS) {
  Deno.test(`the header ${name} is refused by name, without its value`, () => {
    const error = assertThrows(
      () => checkHeaders({ [name]: "hush" }),
      TypeError,
      "Cannot use 'headers'",
    );
    assert(error.message.includes(name.toLowerCase()), error.message);
    assertNotMatch(error.message, /hush/);
  });
}

Deno.test("Sec-WebSocket-Protocol is referred to 'subprotocols'", () => {
  assertThrows(
    () => checkHeaders({ "sec-websocket-protocol": "chat" }),
    TypeError,
    "use 'subprotocols'",
  );
});

Deno.test("what is no header is refused, and a value is never shown", () => {
  const wrong = [
    { "a b": "hush" },
    { a: "hush\r\nb: c" },
    { a: "hush\u0001" },
    { a: "hush €" },
    [["hush"]],
    "hush",
    null,
    7,
  ];
  for (const value of wrong) {
    const error = assertThrows(
      () => checkHeaders(value),
      TypeError,
      "Cannot use 'headers'",
    );
    assertNotMatch(error.message, /hush/);
  }
});

Deno.test("subprotocols are a token or several", () => {
  assertEquals(checkSubprotocols("chat"), ["chat"]);
  assertEquals(checkSubprotocols(["v2.chat", "!#$%&'*+-.^_`|~"]).length, 2);
  assertEquals(checkSubprotocols([]), []);
  assert(Object.isFrozen(checkSubprotocols(["chat"])));
});

Deno.test("what is no token is refused", () => {
  const wrong = ["", "a b", "a,b", "a/b", "ü", 'a"b', "a\n", undefined, 7];
  for (const value of wrong) {
    for (const given of [value, ["chat", value]]) {
      assertThrows(
        () => checkSubprotocols(given),
        TypeError,
        "Cannot use 'subprotocols' as it must be a token or a list of tokens",
      );
    }
  }
});

Deno.test("a subprotocol is offered once, whatever its case", () => {
  for (const twice of [["a", "a"], ["a", "b", "A"]]) {
    assertThrows(
      () => checkSubprotocols(twice),
      TypeError,
      "without repetition",
    );
  }
});

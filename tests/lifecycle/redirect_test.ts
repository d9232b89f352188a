import {
  assertEquals,
  assertNotMatch,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { WSError } from "../../src/errors.ts";
import type { HandshakeRequest } from "../../src/lifecycle/handshake_request.ts";
import {
  isRedirect,
  type Redirect,
  Redirects,
} from "../../src/lifecycle/redirect.ts";

const cause = new Error("Invalid status code: 302");
const SECRETS = { authorization: "Bearer x", cookie: "a=b", "x-own": "1" };

function request(url: string): HandshakeRequest {
  return {
    url: new URL(url),
    headers: new Headers(SECRETS),
    subprotocols: ["chat"],
  };
}

function to(location: string, status = 302): Redirect {
  return { status, headers: new Headers({ location }), flaw: undefined, cause };
}

function follow(from: string, location: string): HandshakeRequest {
  return new Redirects(5).follow(request(from), to(location));
}

function refusal(from: string, location: string): WSError {
  return assertThrows(() => follow(from, location), WSError);
}

Deno.test("five statuses redirect, and only with a Location", () => {
  const statuses = [300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 200];
  const redirects = statuses.filter((status) => isRedirect(to("/", status)));
  assertEquals(redirects, [301, 302, 303, 307, 308]);
  const nowhere = { status: 302, headers: new Headers(), flaw: undefined };
  assertEquals(isRedirect(nowhere), false);
});

const TARGETS: readonly (readonly [string, string, string])[] = [
  ["ws://h/a/b?c=d", "/x", "ws://h/x"],
  ["ws://h/a/b?c=d", "x?y=z", "ws://h/a/x?y=z"],
  ["ws://h/a", "//other:81/x", "ws://other:81/x"],
  ["ws://h/", "http://h/x", "ws://h/x"],
  ["ws://h/", "https://h/x", "wss://h/x"],
  ["ws://h/", "wss://h/x", "wss://h/x"],
  ["wss://h/", "https://other/x", "wss://other/x"],
  ["wss://h/", "HTTPS://other/x", "wss://other/x"],
  ["wss://h/", "/x#part", "wss://h/x"],
];

for (const [from, location, target] of TARGETS) {
  Deno.test(`from ${from}, ${location} is ${target}`, () => {
    assertEquals(follow(from, location).url.href, target);
  });
}

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ["ws://h/", "ftp://h/", /"ftp:\/\/h\/", which is no WebSocket URL/],
  ["ws://h/", "data:text/plain,x", /no WebSocket URL/],
  ["ws://h/", "javascript:alert(1)", /no WebSocket URL/],
  ["ws://h/", "http://[", /no WebSocket URL/],
  ["wss://h/", "http://h/", /from wss:\/\/ to ws:\/\//],
  ["wss://h/", "ws://h/", /not encrypted/],
  ["ws://h/", "/", /in a loop/],
  ["ws://h/", "http://h/#part", /in a loop/],
];

for (const [from, location, says] of REFUSED) {
  Deno.test(`from ${from}, ${location} is REDIRECT, fatal`, () => {
    const error = refusal(from, location);
    assertEquals([error.code, error.severity], ["REDIRECT", "fatal"]);
    assertEquals(says.test(error.message), true, error.message);
    assertEquals([error.status, error.url], [302, from]);
    assertEquals(error.headers?.get("location"), location);
    assertStrictEquals(error.cause, cause);
  });
}

Deno.test("a place that is refused does not show its secrets", () => {
  for (const location of ["ftp://user:hush@h/?token=hush", "http://[?hush"]) {
    assertNotMatch(refusal("ws://h/", location).message, /hush/);
  }
});

Deno.test("headers and subprotocols go along within an origin", () => {
  const { headers, subprotocols } = follow("ws://h:81/a", "/b");
  assertEquals(Object.fromEntries(headers ?? []), SECRETS);
  assertEquals(subprotocols, ["chat"]);
});

Deno.test("Authorization and Cookie do not go to another origin", () => {
  const others = ["//other/", "//h:82/", "https://h/", "//sub.h:81/"];
  for (const location of others) {
    const { headers } = follow("ws://h:81/a", location);
    assertEquals(Object.fromEntries(headers ?? []), { "x-own": "1" });
  }
});

Deno.test("they do not come back with a redirect to the first origin", () => {
  const redirects = new Redirects(5);
  const away = redirects.follow(request("ws://h/a"), to("//other/"));
  const back = redirects.follow(away, to("ws://h/b"));
  assertEquals(Object.fromEntries(back.headers ?? []), { "x-own": "1" });
});

Deno.test("the headers of the request before stay as they are", () => {
  const first = request("ws://h/a");
  new Redirects(5).follow(first, to("//other/"));
  assertEquals(Object.fromEntries(first.headers ?? []), SECRETS);
});

Deno.test("credentials of the Location are for its origin", () => {
  const { url, headers } = follow("ws://h/", "ws://user:pass@other/");
  assertEquals(url.href, "ws://other/");
  assertEquals(headers?.get("authorization"), `Basic ${btoa("user:pass")}`);
});

Deno.test("a loop of several is noticed where it closes", () => {
  const redirects = new Redirects(5);
  const second = redirects.follow(request("ws://h/a"), to("/b"));
  const third = redirects.follow(second, to("/c"));
  assertThrows(() => redirects.follow(third, to("/a")), WSError, "in a loop");
});

Deno.test("as many are followed as are allowed", () => {
  const redirects = new Redirects(2);
  const second = redirects.follow(request("ws://h/a"), to("/b"));
  const third = redirects.follow(second, to("/c"));
  assertThrows(
    () => redirects.follow(third, to("/d")),
    WSError,
    "once more than 'followRedirects' allows (2)",
  );
  assertThrows(
    () => new Redirects(0).follow(request("ws://h/a"), to("/b")),
    WSError,
    "allows (0)",
  );
});

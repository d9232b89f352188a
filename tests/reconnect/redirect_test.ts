import {
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Redirects } from "../../src/reconnect/redirect.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
  type HandshakeRequest,
} from "../../src/transport/transport.ts";

const cause = new Error("Invalid status code: 302");
const SECRETS = {
  authorization: "Bearer x",
  cookie: "a=b",
  "proxy-authorization": "Basic x",
  "x-own": "1",
};

function request(url: string): HandshakeRequest {
  return {
    url: new URL(url),
    headers: new Headers(SECRETS),
    subprotocols: ["chat"],
  };
}

function to(location: string, status = 302): HandshakeFacts {
  return {
    kind: "status",
    status,
    headers: new Headers({ location }),
    cause,
  };
}

/** Follows one redirect, which must be one. */
function follow(
  redirects: Redirects,
  from: HandshakeRequest,
  location: string,
): HandshakeRequest {
  const next = redirects.follow(from, to(location));
  if (next === undefined) throw new Error("it was no redirect");
  return next;
}

function followOnce(from: string, location: string): HandshakeRequest {
  return follow(new Redirects(5), request(from), location);
}

function refusal(from: string, location: string): HandshakeFacts {
  const failure = assertThrows(
    () => followOnce(from, location),
    HandshakeFailure,
  );
  return failure.facts;
}

Deno.test("five statuses redirect, and only with a Location", () => {
  const first = request("ws://h/a");
  const statuses = [300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 200, 401];
  assertEquals(
    statuses.filter((status) =>
      new Redirects(5).follow(first, to("/b", status)) !== undefined
    ),
    [301, 302, 303, 307, 308],
  );
  const nowhere = { kind: "status", status: 302 } as const;
  assertEquals(new Redirects(5).follow(first, nowhere), undefined);
  const emptyHanded = { ...nowhere, headers: new Headers() };
  assertEquals(new Redirects(5).follow(first, emptyHanded), undefined);
});

Deno.test("a failure of another kind is no redirect, whatever its status", () => {
  const first = request("ws://h/a");
  for (const kind of ["unknown", "upgrade", "proxy-refused"] as const) {
    const facts = { ...to("/b"), kind };
    assertEquals(new Redirects(5).follow(first, facts), undefined);
  }
});

const TARGETS: readonly (readonly [string, string, string])[] = [
  ["ws://h/a/b?c=d", "/x", "ws://h/x"],
  ["ws://h/a/b?c=d", "x?y=z", "ws://h/a/x?y=z"],
  ["ws://h/a", "?y=z", "ws://h/a?y=z"],
  ["ws://h/a", "//other:81/x", "ws://other:81/x"],
  ["ws://h/", "http://h/x", "ws://h/x"],
  ["ws://h/", "https://h/x", "wss://h/x"],
  ["ws://h/", "wss://h/x", "wss://h/x"],
  ["wss://h/", "https://other/x", "wss://other/x"],
  ["wss://h/", "HTTPS://other/x", "wss://other/x"],
  ["wss://h/", "/x#part", "wss://h/x"],
];

for (const [from, location, target] of TARGETS) {
  Deno.test(`a redirect from ${from} to ${location} leads to ${target}`, () => {
    assertEquals(followOnce(from, location).url.href, target);
  });
}

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ["ws://h/", "ftp://h/", /"ftp:\/\/h\/", which is no WebSocket URL/],
  ["ws://h/", "data:text/plain,x", /no WebSocket URL/],
  ["ws://h/", "javascript:alert(1)", /no WebSocket URL/],
  ["ws://h/", "ws+unix:/run/x.sock", /no WebSocket URL/],
  ["ws://h/", "http://[", /no WebSocket URL/],
  ["wss://h/", "http://h/", /from wss:\/\/ to ws:\/\//],
  ["wss://h/", "ws://h/", /not encrypted/],
  ["ws://h/", "/", /in a loop/],
  ["ws://h/", "", /in a loop/],
  ["ws://h/", "http://h/#part", /in a loop/],
];

for (const [from, location, says] of REFUSED) {
  Deno.test(`a redirect from ${from} to "${location}" is refused`, () => {
    const facts = refusal(from, location);
    assertEquals([facts.kind, facts.status], ["redirect", 302]);
    assertMatch(facts.detail ?? "", says);
    assertEquals(facts.headers?.get("location"), location);
    assertStrictEquals(facts.cause, cause);
  });
}

Deno.test("a refused target does not show its secrets", () => {
  for (const location of ["ftp://user:hush@h/?token=hush", "http://[?hush"]) {
    assertNotMatch(refusal("ws://h/", location).detail ?? "", /hush/);
  }
});

Deno.test("headers and subprotocols go along within an origin", () => {
  const { headers, subprotocols } = followOnce("ws://h:81/a", "/b");
  assertEquals(Object.fromEntries(headers ?? []), SECRETS);
  assertEquals(subprotocols, ["chat"]);
});

Deno.test("credentials do not go to another origin", () => {
  const others = ["//other/", "//h:82/", "https://h:81/", "//sub.h:81/"];
  for (const location of others) {
    const { headers } = followOnce("ws://h:81/a", location);
    assertEquals(Object.fromEntries(headers ?? []), { "x-own": "1" });
  }
});

Deno.test("credentials do not come back with a redirect to the first origin", () => {
  const redirects = new Redirects(5);
  const away = follow(redirects, request("ws://h/a"), "//other/");
  const back = follow(redirects, away, "ws://h/b");
  assertEquals(Object.fromEntries(back.headers ?? []), { "x-own": "1" });
});

Deno.test("the headers of the first request stay as they are", () => {
  const first = request("ws://h/a");
  follow(new Redirects(5), first, "//other/");
  assertEquals(Object.fromEntries(first.headers ?? []), SECRETS);
});

Deno.test("the user info of a Location is for its origin", () => {
  const { url, headers } = followOnce("ws://h/", "ws://user:pass@other/");
  assertEquals(url.href, "ws://other/");
  assertEquals(headers?.get("authorization"), `Basic ${btoa("user:pass")}`);
});

Deno.test("a loop of several is noticed where it closes", () => {
  const redirects = new Redirects(5);
  const second = follow(redirects, request("ws://h/a"), "/b");
  const third = follow(redirects, second, "/c");
  assertThrows(
    () => follow(redirects, third, "/a"),
    HandshakeFailure,
    "in a loop",
  );
});

Deno.test("as many redirects are followed as are allowed", () => {
  const redirects = new Redirects(2);
  const second = follow(redirects, request("ws://h/a"), "/b");
  const third = follow(redirects, second, "/c");
  assertThrows(
    () => follow(redirects, third, "/d"),
    HandshakeFailure,
    "'followRedirects' allows: 2",
  );
  assertThrows(
    () => follow(new Redirects(0), request("ws://h/a"), "/b"),
    HandshakeFailure,
    "allows: 0",
  );
});

import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotMatch,
  assertStrictEquals,
} from "@std/assert";
import type { WSError } from "../../src/errors.ts";
import {
  answerError,
  bareStatusError,
  failureError,
} from "../../src/lifecycle/handshake_error.ts";

const url = new URL("ws://user:hush@h/feed?token=hush");
const cause = new Error("what the runtime said");
const NOW = Date.UTC(2026, 0, 1);

function answer(status: number, headers: Record<string, string> = {}) {
  return { status, headers: new Headers(headers), flaw: undefined };
}

function verdict({ code, severity }: WSError): string {
  return `${code}, ${severity}`;
}

Deno.test("a failure carries the text's gist, the cause and the redacted URL", () => {
  const text = "error sending request for url (http://h/?token=hush): " +
    "client error (Connect): dns error";
  const error = failureError(text, { url, cause });
  assertEquals(verdict(error), "DNS, transient");
  assertEquals(
    error.message,
    "No connection: the host name does not resolve (dns error)",
  );
  assertStrictEquals(error.cause, cause);
  assertEquals(error.url, "ws://h/feed?token=***");
});

const STATUSES: readonly (readonly [number, string])[] = [
  [100, "HANDSHAKE, fatal"],
  [200, "HANDSHAKE, fatal"],
  [206, "HANDSHAKE, fatal"],
  [300, "HANDSHAKE, fatal"],
  [304, "HANDSHAKE, fatal"],
  [400, "HTTP_STATUS, fatal"],
  [401, "HTTP_STATUS, fatal"],
  [403, "HTTP_STATUS, fatal"],
  [407, "HTTP_STATUS, fatal"],
  [418, "HTTP_STATUS, fatal"],
  [429, "HTTP_STATUS, fatal"],
  [499, "HTTP_STATUS, fatal"],
  [500, "HTTP_STATUS, transient"],
  [501, "HTTP_STATUS, transient"],
  [599, "HTTP_STATUS, transient"],
  [600, "HANDSHAKE, fatal"],
];

for (const [status, expected] of STATUSES) {
  Deno.test(`an answer of ${status} is ${expected}`, () => {
    const error = answerError(answer(status), { url, cause }, NOW);
    assertEquals(verdict(error), expected);
    assertEquals(error.status, status);
    assertStrictEquals(error.cause, cause);
    assertInstanceOf(error.headers, Headers);
    assertMatch(error.message, new RegExp(`answered ${status}`));
  });
}

Deno.test("a 4xx that asks to come back is transient, with the wait it named", () => {
  const date = new Date(NOW + 5_000).toUTCString();
  const waits = [["3", 3_000], ["0", 0], [date, 5_000]] as const;
  for (const [value, retryAfter] of waits) {
    for (const status of [401, 404, 408, 429]) {
      const answered = answer(status, { "retry-after": value });
      const error = answerError(answered, { url, cause }, NOW);
      assertEquals(verdict(error), "HTTP_STATUS, transient");
      assertEquals(error.retryAfter, retryAfter);
    }
  }
});

Deno.test("nonsense in Retry-After counts as absent", () => {
  const answered = answer(429, { "retry-after": "soon" });
  const error = answerError(answered, { url, cause }, NOW);
  assertEquals(verdict(error), "HTTP_STATUS, fatal");
  assertEquals(error.retryAfter, undefined);
});

Deno.test("a 200 says with Retry-After what it likes: it is no WebSocket", () => {
  const answered = answer(200, { "retry-after": "3" });
  const error = answerError(answered, { url, cause }, NOW);
  assertEquals(verdict(error), "HANDSHAKE, fatal");
});

Deno.test("a sound 101 is transient, a bad one is fatal and says why", () => {
  const sound = answerError(answer(101), { url, cause }, NOW);
  assertEquals(verdict(sound), "CONNECT, transient");
  assertEquals(sound.status, undefined);
  const flaw = "lacks 'Connection: Upgrade'";
  const bad = answerError({ ...answer(101), flaw }, { url, cause }, NOW);
  assertEquals(verdict(bad), "HANDSHAKE, fatal");
  assertEquals(bad.status, 101);
  assertMatch(bad.message, /the server's 101 lacks/);
});

const BARE: readonly (readonly [number, string])[] = [
  [401, "HTTP_STATUS, fatal"],
  [404, "HTTP_STATUS, fatal"],
  [408, "HTTP_STATUS, transient"],
  [425, "HTTP_STATUS, transient"],
  [429, "HTTP_STATUS, transient"],
  [503, "HTTP_STATUS, transient"],
  [200, "HANDSHAKE, fatal"],
  [301, "CONNECT, transient"],
  [399, "CONNECT, transient"],
];

for (const [status, expected] of BARE) {
  Deno.test(`a ${status} whose headers are not known is ${expected}`, () => {
    const error = bareStatusError(status, { url, cause });
    assertEquals(verdict(error), expected);
    assertEquals(error.status, status);
    assertStrictEquals(error.cause, cause);
  });
}

Deno.test("ws:// through an HTTP proxy: the error names wss:// and socks5", () => {
  const proxied = { url, cause, proxy: new URL("http://proxy:3128") };
  const errors = [
    answerError(answer(403), proxied, NOW),
    answerError(answer(200), proxied, NOW),
    failureError("connection closed before message completed", proxied),
    bareStatusError(405, proxied),
  ];
  for (const { message } of errors) {
    assertMatch(message, /use wss:\/\/, or a socks5:\/\/ proxy/);
  }
});

Deno.test("no advice on proxies where it does not apply", () => {
  const http = new URL("https://proxy:3128");
  const cases = [
    { url: new URL("wss://h/"), cause, proxy: http },
    { url, cause, proxy: new URL("socks5://proxy:1080") },
    { url, cause },
  ];
  for (const circumstances of cases) {
    const { message } = answerError(answer(403), circumstances, NOW);
    assertNotMatch(message, /socks5/);
  }
});

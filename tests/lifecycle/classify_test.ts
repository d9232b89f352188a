import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotMatch,
  assertStrictEquals,
} from "@std/assert";
import { WSError, type WSErrorOptions } from "../../src/errors.ts";
import {
  answerError,
  bareStatusError,
  closeError,
  failureError,
  judge,
} from "../../src/lifecycle/classify.ts";

const url = new URL("ws://user:hush@h/feed?token=hush");
const cause = new Error("what the runtime said");
const NOW = Date.UTC(2026, 0, 1);

function answer(status: number, headers: Record<string, string> = {}) {
  return { status, headers: new Headers(headers), flaw: undefined };
}

function verdict({ code, severity }: WSError): string {
  return `${code}, ${severity}`;
}

// Handshakes -------------------------------------------------------------------

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

// Closes ----------------------------------------------------------------------------

Deno.test("a close is CLOSED, transient, with its code and reason", () => {
  const ends = [
    [1000, "", "with 1000 (normal closure)"],
    [1008, "no\u001b[2J", 'with 1008 (policy violation): "no\\u001b[2J"'],
    [1012, "deploy", 'with 1012 (service restart): "deploy"'],
    [3999, "", "with 3999"],
  ] as const;
  for (const [code, reason, says] of ends) {
    const error = closeError({ code, reason, wasClean: true }, url);
    assertEquals(verdict(error), "CLOSED, transient");
    assertEquals([error.closeCode, error.reason], [code, reason]);
    assertEquals(error.message, `The server closed the connection ${says}`);
    assertEquals(error.url, "ws://h/feed?token=***");
    assertEquals(error.cause, undefined);
  }
});

Deno.test("a drop says what the runtime says", () => {
  const dropped = { code: 1006, reason: "", wasClean: false };
  const texts = [
    "Unexpected EOF",
    "Connection reset by peer (os error 104)",
    "Broken pipe (os error 32)",
    "Failed to send frame",
  ];
  for (const message of texts) {
    const error = closeError({ ...dropped, message }, url);
    assertEquals(verdict(error), "CLOSED, transient");
    assertEquals(error.closeCode, 1006);
    assertMatch(error.message, /dropped without a close frame: /);
    assertInstanceOf(error.cause, Error);
    assertEquals(error.cause.message, message);
  }
  assertEquals(
    closeError(dropped, url).message,
    "The connection dropped without a close frame",
  );
});

/** Each of the runtime's texts; `tests/facts_test.ts` provokes them. */
const VIOLATIONS = [
  "Invalid UTF-8",
  "Invalid value",
  "Invalid fragment",
  "Invalid continuation frame",
  "Invalid close frame",
  "Invalid close code",
  "Reserved bits are not zero",
  "Control frame must not be fragmented",
  "Frame too large",
  "Ping frame too large",
];

for (const message of VIOLATIONS) {
  Deno.test(`"${message}" is PROTOCOL, transient`, () => {
    const end = { code: 1006, reason: "", wasClean: false, message };
    const error = closeError(end, url);
    assertEquals(verdict(error), "PROTOCOL, transient");
    assertEquals(error.closeCode, 1006);
    assertInstanceOf(error.cause, Error);
  });
}

// The last word ---------------------------------------------------------------------

function closed(closeCode: number): WSError {
  const facts = { code: "CLOSED", severity: "transient", closeCode } as const;
  return new WSError("closed", facts);
}

function failOnReport(error: WSError): never {
  throw error;
}

Deno.test("without options our verdict stays, and the error is the same", () => {
  const error = closed(1011);
  const config = { fatalCloseCodes: [] };
  assertStrictEquals(judge(error, config, failOnReport), error);
  assertStrictEquals(judge(error, {}, failOnReport), error);
});

Deno.test("a close code that is listed, or that the predicate takes, is fatal", () => {
  const configs = [
    { fatalCloseCodes: [4001, 4002] },
    { fatalCloseCodes: (code: number) => code >= 4000 && code < 4100 },
  ];
  for (const config of configs) {
    assertEquals(
      [4001, 4002, 4200]
        .map((code) => judge(closed(code), config, failOnReport).severity),
      ["fatal", "fatal", "transient"],
    );
  }
});

Deno.test("fatalCloseCodes are about closes by the server alone", () => {
  const facts: WSErrorOptions = {
    code: "PROTOCOL",
    severity: "transient",
    closeCode: 1006,
  };
  const error = new WSError("bad frame", facts);
  const config = { fatalCloseCodes: () => true };
  assertEquals(judge(error, config, failOnReport).severity, "transient");
});

Deno.test("classify has the last word, after fatalCloseCodes, and keeps all else", () => {
  const seen: WSError[] = [];
  const config = {
    fatalCloseCodes: [4001],
    classify: (error: WSError) => {
      seen.push(error);
      return "transient" as const;
    },
  };
  const judged = judge(closed(4001), config, failOnReport);
  assertEquals(seen.map(verdict), ["CLOSED, fatal"]);
  assertEquals(verdict(judged), "CLOSED, transient");
  assertEquals(judged.closeCode, 4001);
});

Deno.test("a classify that returns undefined keeps our verdict", () => {
  const config = { fatalCloseCodes: [4001], classify: () => undefined };
  assertEquals(judge(closed(4001), config, failOnReport).severity, "fatal");
});

Deno.test("what a judge throws is reported as CALLBACK, and our verdict stays", () => {
  const thrown = new Error("no idea");
  function fails(): never {
    throw thrown;
  }
  const reported: WSError[] = [];
  const report = (error: WSError) => reported.push(error);
  const byCode = { fatalCloseCodes: [4001], classify: fails };
  assertEquals(judge(closed(4001), byCode, report).severity, "fatal");
  const byPredicate = { fatalCloseCodes: fails };
  assertEquals(judge(closed(4001), byPredicate, report).severity, "transient");
  assertEquals(reported.map(verdict), Array(2).fill("CALLBACK, transient"));
  for (const { cause } of reported) assertStrictEquals(cause, thrown);
});

Deno.test("a classify that returns what is no severity is reported", () => {
  for (const wrong of ["maybe", true, null, Promise.resolve("fatal")]) {
    const reported: WSError[] = [];
    // What a program without types may do.
    const config = Object.assign({}, { classify: () => wrong }) as object;
    const judged = judge(closed(1011), config, (e) => reported.push(e));
    assertEquals(judged.severity, "transient");
    assertEquals(reported.map(verdict), ["CALLBACK, transient"]);
    assertInstanceOf(reported[0]?.cause, TypeError);
  }
});

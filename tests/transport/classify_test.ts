/** The failure table: what is fatal, before and after the client was open. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotMatch,
  assertStrictEquals,
} from "@std/assert";
import type { ClassifyContext, WSConfig } from "../../mod.ts";
import {
  type Severity,
  WSError,
  type WSErrorCode,
  type WSErrorOptions,
} from "../../src/errors.ts";
import {
  applyOverrides,
  type AttemptContext,
  closeError,
  connectionClosed,
  handshakeError,
  heartbeatError,
  hookOverrun,
  hookTimeout,
  isNormalClose,
  isRefusal,
  reconnectRequested,
  retriesExhausted,
} from "../../src/transport/classify.ts";
import type {
  HandshakeFacts,
  HandshakeFailureKind,
  SocketEnd,
} from "../../src/transport/transport.ts";

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);
const url = new URL("ws://user:hush@h:81/feed?token=hush");

const CONTEXT: AttemptContext = {
  url,
  wasOpen: false,
  refusals: 0,
  now: NOW,
};

function result({ code, severity }: WSError): string {
  return `${code}, ${severity}`;
}

// Handshakes -----------------------------------------------------------------------

type KindRow = readonly [
  kind: Exclude<HandshakeFailureKind, "status">,
  code: WSErrorCode,
  atFirst: Severity,
  later: Severity,
];

const KINDS: readonly KindRow[] = [
  ["permission", "PERMISSION", "fatal", "fatal"],
  ["options", "TLS", "fatal", "fatal"],
  ["http-client-closed", "CONNECT", "fatal", "fatal"],
  ["dns", "DNS", "transient", "transient"],
  ["unreachable", "CONNECT", "transient", "transient"],
  ["reset", "CONNECT", "transient", "transient"],
  ["hung-up", "CONNECT", "transient", "transient"],
  ["certificate", "TLS", "fatal", "transient"],
  ["certificate-not-yet-valid", "TLS", "transient", "transient"],
  ["client-certificate", "TLS", "fatal", "transient"],
  ["not-tls", "TLS", "fatal", "transient"],
  ["tls", "TLS", "fatal", "transient"],
  ["tls-server", "CONNECT", "transient", "transient"],
  ["no-http1", "HANDSHAKE", "fatal", "transient"],
  ["not-http", "HANDSHAKE", "fatal", "transient"],
  ["head-too-long", "HANDSHAKE", "fatal", "transient"],
  ["upgrade", "HANDSHAKE", "fatal", "transient"],
  ["subprotocol", "HANDSHAKE", "fatal", "transient"],
  ["proxy-credentials", "HTTP_STATUS", "fatal", "transient"],
  ["proxy-protocol", "HANDSHAKE", "fatal", "transient"],
  ["proxy-unreachable", "CONNECT", "transient", "transient"],
  ["proxy-refused", "CONNECT", "transient", "transient"],
  ["unknown", "CONNECT", "transient", "transient"],
  ["provider-threw", "CONNECT", "transient", "transient"],
  ["provider-value", "CONNECT", "fatal", "transient"],
  ["redirect", "REDIRECT", "fatal", "transient"],
  ["timeout", "TIMEOUT", "transient", "transient"],
];

for (const [kind, code, atFirst, later] of KINDS) {
  Deno.test(`a failure of kind ${kind} is ${code}, ${atFirst} at first and ${later} later`, () => {
    const cause = new Error("the runtime's own");
    const facts = { kind, cause, detail: "in its words" };
    const first = handshakeError(facts, CONTEXT);
    assertEquals(result(first), `${code}, ${atFirst}`);
    const afterOpen = handshakeError(facts, { ...CONTEXT, wasOpen: true });
    assertEquals(result(afterOpen), `${code}, ${later}`);
    assertStrictEquals(first.cause, cause);
    assertMatch(first.message, /^No connection to h:81: .*\(in its words\)/);
    assertEquals(first.url, "ws://h:81/feed?token=***");
    assertNotMatch(first.message, /hush/);
  });
}

type StatusRow = readonly [
  status: number,
  retryAfter: string | undefined,
  code: WSErrorCode,
  atFirst: Severity,
  later: Severity,
];

const STATUSES: readonly StatusRow[] = [
  [400, undefined, "HTTP_STATUS", "fatal", "transient"],
  [401, undefined, "HTTP_STATUS", "fatal", "transient"],
  [403, undefined, "HTTP_STATUS", "fatal", "transient"],
  [404, undefined, "HTTP_STATUS", "fatal", "transient"],
  [407, undefined, "HTTP_STATUS", "fatal", "transient"],
  [408, undefined, "HTTP_STATUS", "transient", "transient"],
  [410, undefined, "HTTP_STATUS", "fatal", "transient"],
  [425, undefined, "HTTP_STATUS", "transient", "transient"],
  [426, undefined, "HTTP_STATUS", "fatal", "transient"],
  [429, undefined, "HTTP_STATUS", "transient", "transient"],
  [499, undefined, "HTTP_STATUS", "fatal", "transient"],
  [500, undefined, "HTTP_STATUS", "transient", "transient"],
  [501, undefined, "HTTP_STATUS", "transient", "transient"],
  [503, undefined, "HTTP_STATUS", "transient", "transient"],
  [599, undefined, "HTTP_STATUS", "transient", "transient"],
  [401, "7", "HTTP_STATUS", "transient", "transient"],
  [403, "0", "HTTP_STATUS", "transient", "transient"],
  [
    404,
    "Sun, 06 Nov 1994 08:50:37 GMT",
    "HTTP_STATUS",
    "transient",
    "transient",
  ],
  [404, "soon", "HTTP_STATUS", "fatal", "transient"],
  [404, "", "HTTP_STATUS", "fatal", "transient"],
  [401, "1.5", "HTTP_STATUS", "fatal", "transient"],
  [200, undefined, "HANDSHAKE", "fatal", "transient"],
  [204, undefined, "HANDSHAKE", "fatal", "transient"],
  [299, "1", "HANDSHAKE", "fatal", "transient"],
  [300, undefined, "HANDSHAKE", "fatal", "transient"],
  [301, undefined, "HANDSHAKE", "fatal", "transient"],
  [399, undefined, "HANDSHAKE", "fatal", "transient"],
  [600, undefined, "HANDSHAKE", "fatal", "transient"],
  [999, undefined, "HANDSHAKE", "fatal", "transient"],
];

function answer(status: number, retryAfter?: string): HandshakeFacts {
  const headers = new Headers(
    retryAfter === undefined ? {} : { "retry-after": retryAfter },
  );
  return { kind: "status", status, headers, body: "why" };
}

for (const [status, retryAfter, code, atFirst, later] of STATUSES) {
  const more = retryAfter === undefined ? "" : ` with "${retryAfter}"`;
  Deno.test(`an answer of ${status}${more} is ${code}, ${atFirst} at first and ${later} later`, () => {
    const facts = answer(status, retryAfter);
    const first = handshakeError(facts, CONTEXT);
    assertEquals(result(first), `${code}, ${atFirst}`);
    const afterOpen = handshakeError(facts, { ...CONTEXT, wasOpen: true });
    assertEquals(result(afterOpen), `${code}, ${later}`);
    assertEquals(first.status, status);
    assertStrictEquals(first.headers, facts.headers);
    assertEquals(first.body, "why");
    assertMatch(first.message, new RegExp(`answered ${status}`));
  });
}

Deno.test("a client that was open gives up at the third 401 or 403 in a row", () => {
  for (const status of [401, 403]) {
    const severities = [0, 1, 2, 3].map((refusals) =>
      handshakeError(
        answer(status),
        { ...CONTEXT, wasOpen: true, refusals },
      ).severity
    );
    assertEquals(severities, ["transient", "transient", "fatal", "fatal"]);
  }
});

Deno.test("only 401 and 403 are fatal at the third time", () => {
  const context = { ...CONTEXT, wasOpen: true, refusals: 9 };
  for (const status of [400, 404, 407, 410, 429, 500]) {
    assertEquals(handshakeError(answer(status), context).severity, "transient");
  }
  assertEquals(handshakeError(answer(401, "1"), context).severity, "transient");
});

Deno.test("401 and 403 are refusals, whatever their severity", () => {
  const isRefused = (facts: HandshakeFacts) =>
    isRefusal(handshakeError(facts, CONTEXT));
  assertEquals(
    [401, 403, 400, 404, 407, 500].map((status) => isRefused(answer(status))),
    [true, true, false, false, false, false],
  );
  assertEquals(isRefused(answer(401, "7")), true);
  assertEquals(isRefused({ kind: "proxy-credentials", status: 407 }), false);
});

Deno.test("Retry-After is told as the server said it, and nonsense is absent", () => {
  const told = (value: string, status = 503) =>
    handshakeError(answer(status, value), CONTEXT).retryAfter;
  assertEquals(told("7"), 7_000);
  assertEquals(told("31536000"), 31_536_000_000);
  assertEquals(told("Sun, 06 Nov 1994 08:50:37 GMT"), 60_000);
  assertEquals(told("soon"), undefined);
  assertEquals(told("-1"), undefined);
  assertEquals(told("7", 200), 7_000);
  const silent = handshakeError({ kind: "status", status: 503 }, CONTEXT);
  assertEquals(silent.retryAfter, undefined);
});

Deno.test("an attempt without a URL names no host", () => {
  const error = handshakeError(
    { kind: "provider-threw", detail: "'url': no" },
    { ...CONTEXT, url: undefined },
  );
  assertMatch(error.message, /^No connection: /);
  assertEquals(error.url, undefined);
});

Deno.test("a unix socket is named by its path", () => {
  const error = handshakeError(
    { kind: "unreachable" },
    { ...CONTEXT, url: new URL("ws+unix:/run/feed.sock") },
  );
  assertMatch(error.message, /feed\.sock/);
});

Deno.test("the transport's advice comes last", () => {
  const facts = { kind: "unknown", advice: "use another proxy" } as const;
  assertMatch(
    handshakeError(facts, CONTEXT).message,
    /the handshake failed; use another proxy$/,
  );
});

// Open connections -----------------------------------------------------------------

Deno.test("a close is CLOSED, transient, with its code and reason", () => {
  const ends = [
    [1000, "", "with 1000 (normal closure)"],
    [1008, "no\u001b[2J", 'with 1008 (policy violation): "no\\u001b[2J"'],
    [1012, "deploy", 'with 1012 (service restart): "deploy"'],
    [3999, "", "with 3999"],
  ] as const;
  for (const [code, reason, says] of ends) {
    const error = closeError({ code, reason, wasClean: true }, url.href);
    assertEquals(result(error), "CLOSED, transient");
    assertEquals([error.closeCode, error.reason], [code, reason]);
    assertEquals(error.message, `h:81 closed the connection ${says}`);
    assertEquals(error.url, "ws://h:81/feed?token=***");
  }
});

type FailureRow = readonly [
  failure: SocketEnd["failure"],
  expected: string,
  says: RegExp,
];

const cause = new Error("os error 104");
const FAILURES: readonly FailureRow[] = [
  [undefined, "CLOSED, transient", /to h:81 dropped without a close frame$/],
  [
    { kind: "network", detail: "Unexpected EOF", cause },
    "CLOSED, transient",
    /to h:81 dropped without a close frame: Unexpected EOF/,
  ],
  [
    { kind: "protocol", detail: "Invalid UTF-8", cause },
    "PROTOCOL, transient",
    /^h:81 broke the WebSocket protocol: Invalid UTF-8/,
  ],
  [
    { kind: "too-large", detail: "Frame too large", cause },
    "PROTOCOL, transient",
    /^h:81 sent a message that is too large/,
  ],
];

for (const [failure, expected, says] of FAILURES) {
  Deno.test(`a connection that broke by ${failure?.kind} is ${expected}`, () => {
    const end = { code: 1006, reason: "", wasClean: false, failure };
    const error = closeError(end, url.href);
    assertEquals(result(error), expected);
    assertMatch(error.message, says);
    assertStrictEquals(error.cause, failure?.cause);
  });
}

Deno.test("a normal close is 1000 or 1001, and one that is not fatal", () => {
  const codes = [1000, 1001, 1005, 1006, 1011, 4000];
  const close = (code: number) =>
    closeError({ code, reason: "", wasClean: true }, url.href);
  assertEquals(
    codes.filter((code) => isNormalClose(close(code))),
    [1000, 1001],
  );
  assertEquals(isNormalClose(close(1000).withSeverity("fatal")), false);
  assertEquals(isNormalClose(heartbeatError("silent", url.href)), false);
});

Deno.test("our own reasons to end a connection have codes of their own", () => {
  assertEquals(
    [
      heartbeatError("silent", url.href),
      hookOverrun(7, url.href),
      hookTimeout(50, url.href),
      retriesExhausted("3 attempts failed", heartbeatError("x", url.href)),
    ].map(result),
    [
      "HEARTBEAT, transient",
      "SLOW_CONSUMER, transient",
      "TIMEOUT, transient",
      "RETRIES_EXHAUSTED, fatal",
    ],
  );
});

Deno.test("every error of a connection names its host, and shows no secret", () => {
  const errors = [
    heartbeatError("silent", url.href),
    hookOverrun(7, url.href),
    hookTimeout(50, url.href),
    reconnectRequested(url.href),
    connectionClosed(url.href),
    closeError({ code: 1011, reason: "", wasClean: true }, url.href),
    retriesExhausted("it failed", heartbeatError("silent", url.href)),
    ...KINDS.map(([kind]) => handshakeError({ kind }, CONTEXT)),
    handshakeError({ kind: "status", status: 503 }, CONTEXT),
  ];
  for (const error of errors) {
    assertMatch(error.message, /h:81/);
    assertNotMatch(Deno.inspect(error), /hush/);
  }
});

// The program's decisions ------------------------------------------------------------

type Overrides = Pick<WSConfig, "fatalCloseCodes" | "classify">;

const ATTEMPT: ClassifyContext = { wasOpen: true, attempt: 3 };

function closed(closeCode: number): WSError {
  const facts = { code: "CLOSED", severity: "transient", closeCode } as const;
  return new WSError("closed", facts);
}

function decide(
  error: WSError,
  config: Overrides,
  report: (error: WSError) => void = (error) => {
    throw error;
  },
): WSError {
  return applyOverrides(error, config, ATTEMPT, report);
}

/** What programs without types pass. */
function untyped(config: object): Overrides {
  return config;
}

Deno.test("without options the table stands, and the error is the same", () => {
  const error = closed(1011);
  assertStrictEquals(decide(error, { fatalCloseCodes: [] }), error);
  assertStrictEquals(decide(error, {}), error);
});

Deno.test("a close code that is listed, or that the predicate accepts, is fatal", () => {
  const configs: readonly Overrides[] = [
    { fatalCloseCodes: [4001, 4002] },
    { fatalCloseCodes: (code) => code >= 4000 && code < 4100 },
    untyped({ fatalCloseCodes: (code: number) => code < 4100 ? 1 : 0 }),
    untyped({ fatalCloseCodes: (code: number) => code < 4100 ? "yes" : "" }),
    untyped({ fatalCloseCodes: (code: number) => code < 4100 || undefined }),
  ];
  for (const config of configs) {
    assertEquals(
      [4001, 4002, 4200].map((code) => decide(closed(code), config).severity),
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
  assertEquals(decide(error, config).severity, "transient");
});

Deno.test("classify has the last word, after fatalCloseCodes, and keeps all else", () => {
  const seen: string[] = [];
  const config: Overrides = {
    fatalCloseCodes: [4001],
    classify: (error, context) => {
      seen.push(`${result(error)} ${JSON.stringify(context)}`);
      return "transient";
    },
  };
  const decided = decide(closed(4001), config);
  assertEquals(seen, ['CLOSED, fatal {"wasOpen":true,"attempt":3}']);
  assertEquals(result(decided), "CLOSED, transient");
  assertEquals(decided.closeCode, 4001);
});

Deno.test("classify overrides every kind of failure", () => {
  for (const severity of ["transient", "fatal"] as const) {
    for (const [kind] of KINDS) {
      const error = handshakeError({ kind }, CONTEXT);
      const decided = decide(error, { classify: () => severity });
      assertEquals(decided.severity, severity);
      assertEquals(decided.code, error.code);
    }
  }
});

Deno.test("a classify that returns undefined keeps the decision", () => {
  const config = { fatalCloseCodes: [4001], classify: () => undefined };
  assertEquals(decide(closed(4001), config).severity, "fatal");
});

Deno.test("what an override throws is reported as CALLBACK, and the decision stands", () => {
  const thrown = new Error("no idea");
  function fails(): never {
    throw thrown;
  }
  const reported: WSError[] = [];
  const report = (error: WSError) => reported.push(error);
  const byList = { fatalCloseCodes: [4001], classify: fails };
  assertEquals(decide(closed(4001), byList, report).severity, "fatal");
  const byPredicate = { fatalCloseCodes: fails };
  assertEquals(decide(closed(4001), byPredicate, report).severity, "transient");
  const both = { fatalCloseCodes: fails, classify: () => "fatal" as const };
  assertEquals(decide(closed(4001), both, report).severity, "fatal");
  assertEquals(reported.map(({ message }) => message), [
    "classify threw: no idea",
    "fatalCloseCodes threw: no idea",
    "fatalCloseCodes threw: no idea",
  ]);
  for (const error of reported) {
    assertEquals(result(error), "CALLBACK, transient");
    assertStrictEquals(error.cause, thrown);
  }
});

Deno.test("a classify that returns something other than a severity is reported", () => {
  const late = [Promise.resolve("fatal"), Promise.reject(new Error("late"))];
  for (const wrong of ["maybe", true, null, ...late]) {
    const reported: WSError[] = [];
    const config = untyped({ classify: () => wrong });
    const decided = decide(closed(1011), config, (e) => reported.push(e));
    assertEquals(decided.severity, "transient");
    const [error] = reported;
    assert(error !== undefined && reported.length === 1);
    assertEquals(result(error), "CALLBACK, transient");
    assertInstanceOf(error.cause, TypeError);
  }
});

Deno.test("an async fatalCloseCodes has not said yes, and is reported", () => {
  const results = [() => false, () => Promise.reject(new Error("late"))];
  for (const reply of results) {
    const reported: WSError[] = [];
    const config = untyped({ fatalCloseCodes: async () => await reply() });
    const decided = decide(closed(4001), config, (e) => reported.push(e));
    assertEquals(decided.severity, "transient");
    assertEquals(reported.map(result), ["CALLBACK, transient"]);
  }
});

import fc from "fast-check";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { WSError, type WSErrorCode } from "../../../mod.ts";
import {
  both,
  type ConnectionEvents,
  jsonLines,
  sentences,
} from "../../../src/cli/run/connection_events.ts";
import { brokenText } from "../../support/texts.ts";

function error(code: WSErrorCode, message = "it broke"): WSError {
  return new WSError(message, { code, severity: "transient" });
}

/** What listeners are told, with whatever the server may have written in it. */
function facts(text = "text") {
  const session = {
    url: "wss://me:secret@example.com/feed?token=secret",
    protocol: text,
    reconnected: false,
    cause: "start" as const,
    response: undefined,
    setHeartbeat: () => {},
    attempt: 0,
    send: () => {},
    receive: () => Promise.resolve(""),
  };
  const info = {
    code: 1011,
    reason: text,
    wasClean: true,
    error: error("CLOSED", text),
    willRetry: true,
    connectedFor: 2500,
  };
  const retry = { attempt: 2, delay: 850, error: error("CONNECT", text) };
  const gap = { from: 1000, to: 2300, cause: info.error, attempts: 1 };
  return { session, info, retry, gap };
}

/** What people are told. */
function told(tell: (events: ConnectionEvents) => void): string[] {
  const lines: string[] = [];
  const loud = (how: string) => (text: string) => lines.push(`${how}: ${text}`);
  tell(sentences({
    good: loud("good"),
    trouble: loud("trouble"),
    detail: loud("detail"),
  }));
  return lines;
}

Deno.test("a connection is a detail, without what is secret in its URL", () => {
  const { session } = facts();
  assertEquals(
    told((events) => {
      events.open({ ...session, protocol: "" });
      events.open({ ...session, reconnected: true, protocol: "v1" });
    }),
    [
      "detail: connected to wss://example.com/feed?***",
      "detail: on a new connection to wss://example.com/feed?*** (v1)",
    ],
  );
});

Deno.test("after an outage only another place is told once more", () => {
  const { session, gap } = facts();
  const again = { ...session, reconnected: true };
  assertEquals(
    told((events) => {
      events.open({ ...session, protocol: "" });
      events.gap(gap, true);
      events.open({ ...again, protocol: "" });
      events.gap(gap, true);
      events.open({ ...again, url: "wss://b.example.com/", protocol: "" });
      events.open({ ...again, url: "wss://b.example.com/", protocol: "" });
    }).filter((line) => line.startsWith("detail")),
    [
      "detail: connected to wss://example.com/feed?***",
      "detail: on a new connection to wss://b.example.com/",
      "detail: on a new connection to wss://b.example.com/",
    ],
  );
});

Deno.test("the end of a connection is a detail, unless an error tells it", () => {
  const { info } = facts();
  assertEquals(
    told((events) => {
      events.close({ ...info, code: 1000, error: undefined });
      events.close({ ...info, code: 1000, reason: "", error: undefined });
      events.close(info);
    }),
    [
      'detail: closed: 1000 "text", after 2.5 s',
      "detail: closed: 1000, after 2.5 s",
    ],
  );
});

Deno.test("a retry is trouble, and says why and when", () => {
  const { retry } = facts("refused");
  assertEquals(told((events) => events.retry(retry)), [
    "trouble: refused; attempt 2 in 850 ms",
  ]);
});

Deno.test("a link that is back is good news, one that is not is trouble", () => {
  const { gap } = facts();
  assertEquals(
    told((events) => {
      events.gap(gap, true);
      events.gap(gap, false);
      events.gap({ ...gap, count: 3 }, true);
    }),
    [
      "good: connected again after 1.3 s: messages of that time may be missing",
      "trouble: no connection for the last 1.3 s: messages of that time may " +
      "be missing",
      "good: connected again after 1.3 s: 3 messages are missing",
    ],
  );
});

Deno.test("an error is told when nothing else will tell it", () => {
  const errors: WSErrorCode[] = ["CALLBACK", "SPOOL", "CONNECT", "CLOSED"];
  assertEquals(
    told((events) => {
      errors.forEach((code) => events.error(error(code)));
      events.error(error("SPOOL").withSeverity("fatal"));
    }),
    [
      "trouble: it broke",
      "trouble: it broke",
    ],
  );
});

Deno.test("many messages dropped for one reason are one line", () => {
  const reasons = ["overflow", "overflow", "expired", "expired"] as const;
  assertEquals(told((events) => reasons.forEach(events.drop)), [
    "trouble: messages to send are being dropped (overflow)",
    "trouble: messages to send are being dropped (expired)",
  ]);
});

/** Everything that can be told. */
function tellAll(events: ConnectionEvents, text: string): void {
  const { session, info, retry, gap } = facts(text);
  events.open(session);
  events.close({ ...info, error: undefined });
  events.retry(retry);
  events.gap(gap, true);
  events.error(error("CALLBACK", text));
  events.error(error("CONNECT", text));
}

Deno.test("whatever a server says, each sentence is one line that drives no terminal", () => {
  fc.assert(fc.property(brokenText, (text) => {
    const lines = told((events) => tellAll(events, text));
    assertEquals(lines.length, 5);
    for (const line of lines) {
      assertMatch(line, /^[^\p{Cc}\p{Bidi_Control}\p{Zl}\p{Cs}]+$/u);
    }
  }));
});

Deno.test("with --json each event is a line, with the time at which it was printed", () => {
  const lines: string[] = [];
  const before = Date.now();
  const events = jsonLines((line) => lines.push(line));
  tellAll(events, "text");
  events.drop("overflow");
  const parsed = lines.map((line) => JSON.parse(line));
  assertEquals(
    parsed.map(({ type }) => type),
    ["open", "close", "retry", "gap", "error", "error"],
  );
  for (const { v, ts } of parsed) {
    assertEquals(v, 1);
    assert(ts >= before && ts <= Date.now());
  }
});

Deno.test("two listeners are told the same, one after the other", () => {
  const calls: string[] = [];
  const listener = (name: string): ConnectionEvents => {
    const call = (kind: string) => (...facts: unknown[]) =>
      calls.push(`${name} ${kind} ${facts.length}`);
    return {
      open: call("open"),
      close: call("close"),
      retry: call("retry"),
      gap: call("gap"),
      error: call("error"),
      drop: call("drop"),
    };
  };
  const events = both(listener("1"), listener("2"));
  tellAll(events, "text");
  events.drop("overflow");
  const kinds = [
    "open 1",
    "close 1",
    "retry 1",
    "gap 2",
    "error 1",
    "error 1",
    "drop 1",
  ];
  assertEquals(calls, kinds.flatMap((kind) => [`1 ${kind}`, `2 ${kind}`]));
});

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { WSError } from "../../../mod.ts";
import {
  closeEvent,
  errorEvent,
  eventLine,
  gapEvent,
  messageEvent,
  openEvent,
  retryEvent,
} from "../../../src/cli/output/json_events.ts";
import { brokenText } from "../../support/texts.ts";

const cause = new WSError("The server closed the connection (1011)", {
  code: "CLOSED",
  severity: "transient",
  closeCode: 1011,
  reason: "restart",
});

const causeFacts = {
  code: "CLOSED",
  severity: "transient",
  closeCode: 1011,
  reason: "restart",
  message: "The server closed the connection (1011)",
};

Deno.test("an event is a line of JSON with version, type and time in front", () => {
  const event = { type: "retry", attempt: 2, delay: 125 } as const;
  assertEquals(
    eventLine(event, "ws://h/", 1_700_000_000_000),
    '{"v":1,"type":"retry","ts":1700000000000,"url":"ws://h/","attempt":2,"delay":125}',
  );
});

Deno.test("a text comes back from its line as it was, whatever it is", () => {
  fc.assert(fc.property(brokenText, (text) => {
    const line = eventLine(messageEvent(text), "ws://h/", 7);
    const event = { v: 1, type: "message", ts: 7, url: "ws://h/", data: text };
    assertEquals(JSON.parse(line), event);
  }));
});

Deno.test("bytes come back from their line as they were", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const { type, data, encoding } = JSON.parse(
      eventLine(messageEvent(bytes), "ws://h/", 0),
    );
    assertEquals([type, encoding], ["message", "base64"]);
    assertEquals(Uint8Array.fromBase64(data), bytes);
  }));
});

Deno.test("a line holds nothing that a terminal obeys", () => {
  const obeyed = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u;
  for (let code = 0; code <= 0xffff; code++) {
    const character = String.fromCharCode(code);
    const line = eventLine({ type: "message", data: character }, "ws://h/", 0);
    if (obeyed.test(line) || JSON.parse(line).data !== character) {
      throw new Error(`U+${code.toString(16)} becomes ${line}`);
    }
  }
});

Deno.test("a new connection tells its URL, its protocol and the failed attempts before it", () => {
  const session = {
    url: "wss://example.com/feed",
    protocol: "",
    reconnected: true,
    cause: "start" as const,
    response: undefined,
    setHeartbeat: () => {},
    attempt: 3,
    send: () => {},
    receive: () => Promise.resolve(""),
  };
  assertEquals(openEvent(session), {
    type: "open",
    protocol: "",
    attempt: 3,
  });
});

Deno.test("the end of a connection tells code, reason, and whether it was clean", () => {
  const info = {
    code: 1006,
    reason: "",
    wasClean: false,
    error: cause,
    willRetry: true,
    connectedFor: 1234,
  };
  assertEquals(closeEvent(info), {
    type: "close",
    code: 1006,
    reason: "",
    wasClean: false,
  });
});

Deno.test("a retry tells its attempt and its delay", () => {
  const info = { attempt: 1, delay: 250, error: cause };
  assertEquals(retryEvent(info), { type: "retry", attempt: 1, delay: 250 });
});

Deno.test("a gap tells from when to when, its cause, and a count where one is known", () => {
  const gap = { from: 1, to: 2, cause, attempts: 1 };
  const parsed = (gap: Parameters<typeof gapEvent>[0]) =>
    JSON.parse(eventLine(gapEvent(gap), "ws://h/", 0));
  const common = {
    v: 1,
    type: "gap",
    ts: 0,
    url: "ws://h/",
    from: 1,
    to: 2,
    attempts: 1,
  };
  assertEquals(parsed(gap), { ...common, cause: causeFacts });
  assertEquals(parsed({ ...gap, count: 7 }), {
    ...common,
    cause: causeFacts,
    count: 7,
  });
});

Deno.test("an error tells what is known of it, and nothing else", () => {
  const parsed = (error: WSError) =>
    JSON.parse(eventLine(errorEvent(error), "ws://h/", 5));
  assertEquals(parsed(cause), {
    v: 1,
    type: "error",
    ts: 5,
    url: "ws://h/",
    ...causeFacts,
  });
  const refused = new WSError("The server answered 401", {
    code: "HTTP_STATUS",
    severity: "fatal",
    status: 401,
    headers: new Headers({ "set-cookie": "secret" }),
    url: "wss://example.com",
  });
  assertEquals(parsed(refused), {
    v: 1,
    type: "error",
    ts: 5,
    url: "ws://h/",
    code: "HTTP_STATUS",
    severity: "fatal",
    status: 401,
    message: "The server answered 401",
  });
});

import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
} from "@std/assert";
import { WSError, type WSErrorOptions } from "../../src/errors.ts";
import { closeError, judge } from "../../src/lifecycle/classify.ts";

const url = new URL("ws://user:hush@h/feed?token=hush");

function verdict({ code, severity }: WSError): string {
  return `${code}, ${severity}`;
}

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

Deno.test("a predicate that returns a promise has not said yes", () => {
  // What a program without types may do.
  const config = Object.assign({}, {
    fatalCloseCodes: () => Promise.resolve(false),
  }) as object;
  assertEquals(
    judge(closed(4001), config, failOnReport).severity,
    "transient",
  );
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
  assertEquals(reported.map(({ message }) => message), [
    "classify threw: no idea",
    "fatalCloseCodes threw: no idea",
  ]);
});

Deno.test("classify has the last word also when the predicate throws", () => {
  const config = {
    fatalCloseCodes: () => {
      throw new Error("no idea");
    },
    classify: () => "fatal" as const,
  };
  assertEquals(judge(closed(4001), config, () => {}).severity, "fatal");
});

Deno.test("a classify that returns what is no severity is reported", () => {
  const late = [Promise.resolve("fatal"), Promise.reject(new Error("late"))];
  for (const wrong of ["maybe", true, null, ...late]) {
    const reported: WSError[] = [];
    // What a program without types may do.
    const config = Object.assign({}, { classify: () => wrong }) as object;
    const judged = judge(closed(1011), config, (e) => reported.push(e));
    assertEquals(judged.severity, "transient");
    assertEquals(reported.map(verdict), ["CALLBACK, transient"]);
    assertInstanceOf(reported[0]?.cause, TypeError);
  }
});

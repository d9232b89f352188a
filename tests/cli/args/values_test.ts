import fc from "fast-check";
import {
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  address,
  closeCodes,
  duration,
  escapedText,
  fileTemplate,
  header,
  messageFormat,
  number,
  oneOf,
  onlyUrl,
  parseHeader,
  positiveDuration,
  rate,
  regex,
  showAddress,
  size,
  speed,
  subprotocol,
  text,
  textOrFile,
  UsageError,
  webSocketUrl,
  wholeNumber,
} from "../../../src/cli/args/values.ts";
import { anyText, brokenText } from "../../support/texts.ts";

type Parse = (text: string) => unknown;

/** What the user is told about each of these. */
function refusals(parse: Parse, ...texts: string[]): string[] {
  return texts.map((text) =>
    assertThrows(() => parse(text), UsageError, undefined, text).message
  );
}

/** That every one of these breaks the same rule. */
function assertRefused(parse: Parse, rule: string, ...texts: string[]): void {
  for (const message of refusals(parse, ...texts)) {
    assertStringIncludes(message, rule);
  }
}

Deno.test("a duration is a number with its unit, in milliseconds", () => {
  const examples = {
    "500ms": 500,
    "10s": 10_000,
    "2m": 120_000,
    "1h": 3_600_000,
    "1d": 86_400_000,
    "1.5s": 1500,
    "0.25ms": 0.25,
    "0": 0,
    "0s": 0,
  };
  for (const [text, ms] of Object.entries(examples)) {
    assertEquals(duration(text), ms, text);
  }
});

Deno.test("the parts of a duration add up", () => {
  assertEquals(duration("1m30s"), 90_000);
  assertEquals(duration("1d2h3m4s5ms"), 93_784_005);
});

Deno.test("a duration without a unit, or with another one, is refused", () => {
  assertRefused(
    duration,
    "must be a duration such as 500ms, 10s, 2m or 1h",
    ..."10|s|1y|-1s|+1s|1 s| 1s|1s |.5s|1.s|1s5|1e3s|Infinity|1S|１s".split(
      "|",
    ),
    "",
    "1s\n",
  );
});

Deno.test("a positive duration is longer than 0", () => {
  assertEquals(positiveDuration("1ms"), 1);
  assertRefused(positiveDuration, "longer than 0", "0", "0s", "0.0m");
  assertRefused(positiveDuration, "must be a duration", "soon");
});

Deno.test("a size is a number of bytes, with a decimal or a binary unit", () => {
  const examples = {
    "1": 1,
    "4096": 4096,
    "4096B": 4096,
    "2kB": 2000,
    "2KB": 2000,
    "64KiB": 65_536,
    "64k": 65_536,
    "100MB": 100e6,
    "1.5m": 1_572_864,
    "0.5": 1,
    "1gib": 2 ** 30,
    "3g": 3 * 2 ** 30,
    "1GB": 1e9,
    "1MiB": 2 ** 20,
  };
  for (const [text, bytes] of Object.entries(examples)) {
    assertEquals(size(text), bytes, text);
  }
});

Deno.test("a size is at least one byte, of a unit there is", () => {
  assertRefused(
    size,
    "must be a size of at least 1 byte such as 100MiB",
    ..."0|0.4|-1|1TB|1 MB|MB||1.|.5k|NaN|Infinity|1constructor|1x".split("|"),
  );
});

Deno.test("a whole number is one from its least value on", () => {
  assertEquals(wholeNumber(0)("0"), 0);
  assertEquals(wholeNumber(1)("007"), 7);
  assertEquals(wholeNumber(1)("9007199254740991"), Number.MAX_SAFE_INTEGER);
  assertRefused(
    wholeNumber(1),
    "must be a whole number of at least 1",
    ..."0|-1|1.5|1e3|0x10||1 |９|9007199254740993".split("|"),
  );
});

Deno.test("a text is any text", () => {
  fc.assert(fc.property(brokenText, (any) => assertEquals(text(any), any)));
});

Deno.test("a regular expression is searched for anywhere", () => {
  assertEquals(regex('"op":"po.g"').test('{"op":"pong"}'), true);
  assertRefused(
    regex,
    "must be a regular expression (unterminated group)",
    ..."(| a/: (".split("|"),
  );
});

Deno.test("one of a few words is exactly one of them", () => {
  const parse = oneOf("raw", "base64");
  assertEquals(parse("base64"), "base64");
  assertRefused(parse, "must be one of raw, base64", "Raw", "", "base", "hex");
});

Deno.test("a text that begins with @ names a file, with @@ it is a text", () => {
  assertEquals(textOrFile("hello @ you"), { text: "hello @ you" });
  assertEquals(textOrFile("@login.json"), { file: "login.json" });
  assertEquals(textOrFile("@@everyone"), { text: "@everyone" });
  assertRefused(textOrFile, "must name a file after @", "@");
});

Deno.test("any text can be given as a text", () => {
  fc.assert(fc.property(brokenText, (any) => {
    const typed = any.startsWith("@") ? `@${any}` : any;
    assertEquals(textOrFile(typed), { text: any });
  }));
});

Deno.test("a header is its name and its value, without the space around them", () => {
  assertEquals(header("X-Trace: a:b "), { name: "X-Trace", value: "a:b" });
  assertEquals(header("origin:https://a"), {
    name: "origin",
    value: "https://a",
  });
  assertEquals(header("X-Empty:"), { name: "X-Empty", value: "" });
  assertEquals(header("X-Latin: Grüße\tviele"), {
    name: "X-Latin",
    value: "Grüße\tviele",
  });
  assertEquals(header("@headers.txt"), { file: "headers.txt" });
});

Deno.test("a header has a name that HTTP allows", () => {
  assertRefused(
    header,
    "must have the form NAME: VALUE",
    ..."none|: x|a b: x|ä: x|a(b): x||x\ny: z".split("|"),
  );
});

Deno.test("no value of a header can break out of its line", () => {
  const rule = "must give a value without control characters, in Latin-1, to a";
  assertRefused(header, rule, "a: b\r\nc: d", "a: \0b", "a: b\x7f", "a: 世");
  fc.assert(fc.property(brokenText, (any) => {
    let value: string;
    try {
      value = parseHeader(`a:${any}`).value;
    } catch (error) {
      if (error instanceof UsageError) return;
      throw error;
    }
    assertMatch(value, /^[\t\x20-\x7e\x80-\xff]*$/);
  }));
});

Deno.test("a subprotocol is one name", () => {
  assertEquals(subprotocol("graphql-ws"), "graphql-ws");
  assertRefused(subprotocol, "must be one name", "a,b", "a b", "ä", "");
});

Deno.test("close codes are single ones and ranges", () => {
  assertEquals(closeCodes("4001"), [4001]);
  assertEquals(closeCodes("4001,4100-4102,1008"), [
    4001,
    4100,
    4101,
    4102,
    1008,
  ]);
  assertEquals(closeCodes("1000-4999").length, 4000);
});

Deno.test("close codes lie from 1000 to 4999", () => {
  assertRefused(
    closeCodes,
    "must be close codes from 1000 to 4999 such as 4001,4100-4199",
    ..."999|5000|0999|4001,|4002-4001|4001-|4001 ,4002||4999-5000|04001".split(
      "|",
    ),
  );
});

Deno.test("escapes stand for what cannot be typed", () => {
  assertEquals(escapedText(String.raw`\r\n`), "\r\n");
  assertEquals(escapedText(String.raw`a\tb\0c\\n\x1F`), "a\tb\0c\\n\x1f");
  assertEquals(escapedText("plain"), "plain");
});

Deno.test("an escape that there is not is refused", () => {
  assertRefused(
    escapedText,
    String.raw`must use only the escapes \n, \r, \t, \0, \\ and \xNN`,
    ...[String.raw`\q`, "end\\", String.raw`\x1`, String.raw`\xzz`, "\\\n"],
  );
});

Deno.test("any text can be written with escapes", () => {
  fc.assert(fc.property(anyText, (any) => {
    const written = any.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
      .replaceAll("\x1b", "\\x1b");
    assertEquals(escapedText(written), any);
  }));
});

Deno.test("a WebSocket URL is taken as it was typed", () => {
  for (
    const url of [
      "ws://localhost",
      "wss://user:pw@example.com:8443/a?b=c",
      "WS://[::1]:80/",
    ]
  ) {
    assertEquals(webSocketUrl(url), url);
  }
});

Deno.test("what looks like the URL that was meant is offered", () => {
  const meant = (text: string) =>
    /do you mean (.*)\?\)/.exec(refusals(webSocketUrl, text)[0] ?? "")?.[1];
  assertEquals(meant("example.com/feed"), "wss://example.com/feed");
  assertEquals(meant("https://example.com"), "wss://example.com");
  assertEquals(meant("http://example.com"), "ws://example.com");
  assertEquals(meant("localhost:8080"), "ws://localhost:8080");
  assertEquals(meant("127.0.0.1:1/x"), "ws://127.0.0.1:1/x");
  assertEquals(meant("not a url"), undefined);
  assertEquals(meant("example.com:99999"), undefined);
  assertEquals(meant(""), undefined);
});

Deno.test("no secret of a wrong URL is shown", () => {
  assertEquals(refusals(webSocketUrl, "http://me:secret@a.b/c?token=secret"), [
    'the URL must begin with ws:// or wss://: got "http://***@a.b/c?***"',
  ]);
  const wrong = [
    "http://user:secret@example.com/",
    "https://example.com/?token=secret",
    "example.com?token=secret",
    "wss://example.com/?token=secret#x",
    "wss://me:secret@example.com/#x",
    "wss://example.com/#access_token=secret",
    "htp://a:secret@b@example.com?x=secret",
    "me:secret@example.com",
    "wss:/me:secret@example.com",
    "http://me:sec/secret@example.com",
    "http://me:a?secret@example.com",
  ];
  for (const message of refusals(webSocketUrl, ...wrong)) {
    assertNotMatch(message, /secret/);
    assertStringIncludes(message, "example.com");
  }
});

Deno.test("a URL with a wrong host or port is told so", () => {
  const rule = "must have a valid host and port";
  assertRefused(webSocketUrl, rule, "ws://", "ws://h:99999", "wss://a b/");
});

Deno.test("a URL has no fragment", () => {
  assertRefused(webSocketUrl, "must have no fragment", "ws://a/#b");
});

Deno.test("a command that takes one URL takes one", () => {
  assertEquals(onlyUrl("ping", ["ws://a"]), "ws://a");
  const refused = (operands: string[]) =>
    assertThrows(() => onlyUrl("ping", operands), UsageError).message;
  assertEquals(refused([]), "ping takes one URL: got 0");
  assertEquals(refused(["ws://a", "ws://b"]), "ping takes one URL: got 2");
  assertStringIncludes(refused(["a"]), "must begin with ws:// or wss://");
});

Deno.test("no secret of a URL in place of an address is shown", () => {
  const refused = assertThrows(
    () => address("ws://me:secret@h/?token=secret"),
    UsageError,
  );
  assertNotMatch(refused.message, /secret/);
});

Deno.test("an address is a port, with a host before it if need be", () => {
  assertEquals(address("9000"), { hostname: "127.0.0.1", port: 9000 });
  assertEquals(address(":0"), { hostname: "127.0.0.1", port: 0 });
  assertEquals(address("0.0.0.0:80"), { hostname: "0.0.0.0", port: 80 });
  assertEquals(address("localhost:65535"), {
    hostname: "localhost",
    port: 65_535,
  });
  assertEquals(address("[::1]:8080"), { hostname: "::1", port: 8080 });
  assertEquals(address("[2001:DB8::0]:1"), {
    hostname: "2001:DB8::0",
    port: 1,
  });
});

Deno.test("an address is shown as it is typed", () => {
  for (const typed of ["127.0.0.1:80", "localhost:65535", "[::1]:8080"]) {
    assertEquals(showAddress(address(typed)), typed);
  }
});

Deno.test("an address without a port, or with one there is not, is refused", () => {
  assertRefused(
    address,
    "the address must be HOST:PORT, :PORT or PORT (0 to 65535): got ",
    ..."localhost|::1|::1:80|65536|-1|a:b|a:|8080x||ws://a:1|[x]:1".split("|"),
  );
});

Deno.test("a speed is a factor, or as fast as it goes", () => {
  assertEquals(speed("10x"), 10);
  assertEquals(speed("0.5"), 0.5);
  assertEquals(speed("1x"), 1);
  assertEquals(speed("max"), Infinity);
  assertRefused(
    speed,
    "must be a speed such as 1x, 10x, 0.5x or max",
    ..."0|0x|-1x|x|10X|fast||1e3|.5x".split("|"),
  );
});

Deno.test("whatever is typed, a parser gives a value or a usage error", () => {
  const parsers: Parse[] = [
    duration,
    positiveDuration,
    size,
    wholeNumber(0),
    regex,
    oneOf("a"),
    textOrFile,
    header,
    closeCodes,
    escapedText,
    webSocketUrl,
    address,
    speed,
  ];
  const pieces = fc.constantFrom(
    ..."0 9 . - : , @ x ms ws:// [ ] # ? %".split(" "),
  );
  const typed = fc.oneof(
    brokenText,
    fc.array(pieces).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(typed, fc.constantFrom(...parsers), (text, parse) => {
      try {
        parse(text);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a rate is so many messages in a unit or a duration", () => {
  const rates: Record<string, [messages: number, interval: number]> = {
    "5/s": [5, 1_000],
    "100/m": [100, 60_000],
    "1/h": [1, 3_600_000],
    "10/500ms": [10, 500],
    "3/1.5s": [3, 1_500],
  };
  for (const [text, [messages, interval]] of Object.entries(rates)) {
    assertEquals(rate(text), { messages, interval }, text);
  }
  const wrong = ["5", "/s", "5/", "0/s", "5/0s", "-1/s", "5/week"];
  assertRefused(rate, "must be a rate such as 5/s", ...wrong);
});

Deno.test("a number has its limits", () => {
  assertEquals(["0", "0.5", "1"].map(number(0, 1)), [0, 0.5, 1]);
  assertEquals(number(1)("2.5"), 2.5);
  const wrong = ["1.1", "-1", "", "x", "1e3", ".5"];
  assertRefused(number(0, 1), "must be a number from 0 to 1", ...wrong);
  assertRefused(number(1), "must be a number of at least 1", "0.5");
});

Deno.test("a format is texts and fields", () => {
  assertEquals(messageFormat(String.raw`%t\t%s %l%% %u\n`), [
    { kind: "time" },
    { kind: "text", text: "\t" },
    { kind: "payload" },
    { kind: "text", text: " " },
    { kind: "length" },
    { kind: "text", text: "%" },
    { kind: "text", text: " " },
    { kind: "url" },
    { kind: "text", text: "\n" },
  ]);
  assertRefused(messageFormat, "%s, %l, %t, %u and %%", "%x", "100%");
  assertRefused(messageFormat, "must use only the escapes", String.raw`\q`);
});

Deno.test("a template that can be filled is taken as it is", () => {
  for (const template of ["x", "/a/{date}", "{host}{n}", "a}b", "{date"]) {
    assertEquals(fileTemplate(template), template);
  }
});

Deno.test("an unknown field is refused with those there are", () => {
  for (const field of ["day", "", "Date", "constructor", "date ", "n:4"]) {
    assertEquals(
      assertThrows(() => fileTemplate(`a{${field}}b`), UsageError).message,
      `must use only {date} {hour} {minute} {host} {n}, and not {${field}}`,
    );
  }
});

Deno.test("a template names a file, no folder", () => {
  for (const template of ["feeds/", "feeds\\", "/", "{date}/"]) {
    assertThrows(() => fileTemplate(template), UsageError, "must name a file");
  }
});

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { DecoderOptions } from "../../src/protocol/decoder.ts";
import { ProtocolError, type Side } from "../../src/protocol/frames.ts";
import {
  closeBody,
  concat,
  Feed,
  frame,
  type FrameShape,
  Opcode,
  otherSide,
  type Seen,
  SIDES,
} from "./frames.ts";

const { text, binary, continuation, close, ping, pong } = Opcode;

/** Runs a test for a decoder of each side; `f` makes a frame of the other. */
function bothSides(
  name: string,
  test: (
    side: Side,
    f: (
      opcode: number,
      payload?: string | Uint8Array,
      shape?: FrameShape,
    ) => Uint8Array<ArrayBuffer>,
  ) => void,
): void {
  for (const side of SIDES) {
    Deno.test(`${side}: ${name}`, () =>
      test(side, (...rest) => frame(otherSide(side), ...rest)));
  }
}

function decode(
  side: Side,
  frames: Uint8Array[],
  options?: DecoderOptions,
): Seen[] {
  const feed = new Feed(side, options);
  for (const bytes of frames) feed.push(bytes);
  return feed.seen;
}

/** The close code that these frames earn, and what was delivered before. */
function violation(
  side: Side,
  frames: Uint8Array[],
  options?: DecoderOptions,
): { code: number; seen: Seen[] } {
  const feed = new Feed(side, options);
  const error = assertThrows(() => {
    for (const bytes of frames) feed.push(bytes);
  }, ProtocolError);
  return { code: error.closeCode, seen: feed.seen };
}

function pattern(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, index) => index * 31);
}

Deno.test("the examples of RFC 6455, section 5.7, are understood", () => {
  const hello = [0x48, 0x65, 0x6c, 0x6c, 0x6f];
  assertEquals(
    decode("client", [
      Uint8Array.of(0x81, 0x05, ...hello),
      Uint8Array.of(0x01, 0x03, 0x48, 0x65, 0x6c),
      Uint8Array.of(0x80, 0x02, 0x6c, 0x6f),
      Uint8Array.of(0x89, 0x05, ...hello),
    ]),
    [{ text: "Hello" }, { text: "Hello" }, { ping: "Hello" }],
  );
  const masked = [0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
  assertEquals(
    decode("server", [
      Uint8Array.of(0x81, 0x85, ...masked),
      Uint8Array.of(0x8a, 0x85, ...masked),
    ]),
    [{ text: "Hello" }, { pong: "Hello" }],
  );
});

bothSides("a message may have any length", (side, f) => {
  const sizes = [0, 1, 2, 3, 4, 5, 125, 126, 127, 256, 257, 65_535, 65_536];
  for (const size of [...sizes, 70_001, 300_000]) {
    assertEquals(
      decode(side, [f(binary, pattern(size))]),
      [{ binary: pattern(size) }],
      `${size} bytes`,
    );
    const letters = "x".repeat(size);
    assertEquals(decode(side, [f(text, letters)]), [{ text: letters }]);
  }
});

bothSides("a text is what was sent, whatever its characters", (side, f) => {
  for (
    const message of [
      "\ufeffwith a byte order mark",
      "a real \ufffd",
      "Grüße 世界 🎉",
      "ü".repeat(500),
      "🎉".repeat(300),
      "a".repeat(500) + "é",
      "\0\u007f\u0080",
    ]
  ) {
    assertEquals(decode(side, [f(text, message)]), [{ text: message }]);
  }
});

bothSides("control frames may come between fragments", (side, f) => {
  assertEquals(
    decode(side, [
      f(text, Uint8Array.of(0x47, 0xc3), { fin: false }),
      f(ping, "x"),
      f(continuation, "", { fin: false }),
      f(pong, "y"),
      f(continuation, Uint8Array.of(0xbc, 0x21)),
      f(binary, "z"),
    ]),
    [
      { ping: "x" },
      { pong: "y" },
      { text: "Gü!" },
      { binary: new TextEncoder().encode("z") },
    ],
  );
});

bothSides("large fragments make one message", (side, f) => {
  const whole = pattern(300_000);
  assertEquals(
    decode(side, [
      f(binary, whole.subarray(0, 5), { fin: false }),
      f(continuation, whole.subarray(5, 150_000), { fin: false }),
      f(ping),
      f(continuation, whole.subarray(150_000)),
      f(binary, "next"),
    ]),
    [
      { ping: "" },
      { binary: whole },
      { binary: new TextEncoder().encode("next") },
    ],
  );
});

bothSides("a message is the receiver's own", (side, f) => {
  for (const size of [10, 100_000]) {
    const feed = new Feed(side);
    feed.push(f(binary, pattern(size)));
    feed.push(f(binary, new Uint8Array(size)));
    assertEquals(feed.seen[0], { binary: pattern(size) }, `${size} bytes`);
  }
});

bothSides("a close frame has a code and a reason, or neither", (side, f) => {
  const cases: [Uint8Array, readonly [number, string]][] = [
    [new Uint8Array(0), [1005, ""]],
    [closeBody(1000), [1000, ""]],
    [closeBody(4999, "später"), [4999, "später"]],
    [closeBody(1001, "x".repeat(123)), [1001, "x".repeat(123)]],
  ];
  for (const [body, expected] of cases) {
    assertEquals(decode(side, [f(close, body)]), [{ close: expected }]);
  }
});

bothSides("what follows a close frame is ignored", (side, f) => {
  const feed = new Feed(side);
  feed.push(concat(f(close), f(text, "late"), Uint8Array.of(0xff, 0xff)));
  feed.push(f(text, "later"));
  assertEquals(feed.seen, [{ close: [1005, ""] }]);
});

bothSides("only the codes of section 7.4 may be in a frame", (side, f) => {
  const valid = (code: number) =>
    (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
    (code >= 3000 && code <= 4999);
  for (let code = 0; code < 5100; code++) {
    const bytes = [f(close, closeBody(code))];
    if (valid(code)) decode(side, bytes);
    else assertEquals(violation(side, bytes).code, 1002, `code ${code}`);
  }
});

type MakeFrame = Parameters<Parameters<typeof bothSides>[1]>[1];

interface Violation {
  readonly name: string;
  readonly code: 1002 | 1007 | 1009;
  readonly options?: DecoderOptions;
  frames(f: MakeFrame, side: Side): Uint8Array[];
}

const VIOLATIONS: readonly Violation[] = [
  {
    name: "a reserved bit",
    code: 1002,
    frames: (f) => [f(text, "x", { reserved: 2 })],
  },
  {
    name: "RSV1 without an agreed compression",
    code: 1002,
    frames: (f) => [f(text, "x", { reserved: 4 })],
  },
  {
    name: "RSV1 on a continuation",
    code: 1002,
    options: { compression: true },
    frames: (f) => [
      f(text, "x", { reserved: 4, fin: false }),
      f(continuation, "x", { reserved: 4 }),
    ],
  },
  {
    name: "RSV1 on a control frame",
    code: 1002,
    options: { compression: true },
    frames: (f) => [f(ping, "x", { reserved: 4 })],
  },
  {
    name: "RSV2 beside RSV1",
    code: 1002,
    options: { compression: true },
    frames: (f) => [f(text, "x", { reserved: 6 })],
  },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): Violation => ({
    name: `the reserved opcode ${opcode}`,
    code: 1002,
    frames: (f) => [f(opcode, "x")],
  })),
  {
    name: "a continuation of no message",
    code: 1002,
    frames: (f) => [f(continuation, "x")],
  },
  {
    name: "a message within a fragmented one",
    code: 1002,
    frames: (f) => [f(text, "x", { fin: false }), f(text, "y")],
  },
  {
    name: "a fragmented control frame",
    code: 1002,
    frames: (f) => [f(ping, "x", { fin: false })],
  },
  {
    name: "a control frame of 126 bytes",
    code: 1002,
    frames: (f) => [f(ping, "x".repeat(126))],
  },
  {
    name: "a length that fits 7 bits in 16",
    code: 1002,
    frames: (f) => [f(text, "x", { lengthBytes: 2 })],
  },
  {
    name: "a length that fits 16 bits in 64",
    code: 1002,
    frames: (f) => [f(text, "x".repeat(200), { lengthBytes: 8 })],
  },
  {
    name: "a length whose first bit is set",
    code: 1002,
    frames: (f) => [f(text, "", { length: 2n ** 63n + 1n })],
  },
  {
    name: "a mask where none belongs, or none where one does",
    code: 1002,
    frames: (f, side) => [
      f(text, "x", { mask: side === "client" ? [1, 2, 3, 4] : null }),
    ],
  },
  {
    name: "a close frame with one byte",
    code: 1002,
    frames: (f) => [f(close, "x")],
  },
  {
    name: "a reason that is not UTF-8",
    code: 1007,
    frames: (f) => [f(close, Uint8Array.of(3, 232, 0xff))],
  },
  ...[
    [0xff],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0x61, 0xe2, 0x82],
    [0xef, 0xbf, 0xbd, 0xc3],
  ].map((bytes): Violation => ({
    name: `the text ${bytes.map((byte) => byte.toString(16))}`,
    code: 1007,
    frames: (f) => [f(text, Uint8Array.from(bytes))],
  })),
  {
    name: "a long text with one wrong byte",
    code: 1007,
    frames: (f) => [f(text, new Uint8Array(100_000).fill(97).fill(0xe9, -9))],
  },
  {
    name: "a text whose fragments are not UTF-8 together",
    code: 1007,
    frames: (f) => [
      f(text, Uint8Array.of(0xe2, 0x82), { fin: false }),
      f(continuation, Uint8Array.of(0x28)),
    ],
  },
  {
    name: "a bad fragment before the message has ended",
    code: 1007,
    frames: (f) => [f(text, Uint8Array.of(0x61, 0xff), { fin: false })],
  },
  {
    name: "a message that is too large",
    code: 1009,
    options: { maxMessageBytes: 1000 },
    frames: (f) => [f(text, "x".repeat(1001))],
  },
  {
    name: "a small message that is too large",
    code: 1009,
    options: { maxMessageBytes: 10 },
    frames: (f) => [f(text, "x".repeat(11))],
  },
  {
    name: "the mere announcement of a message that is too large",
    code: 1009,
    frames: (f) => [f(binary, "", { length: 2n ** 52n })],
  },
  {
    name: "fragments that are too large together",
    code: 1009,
    options: { maxMessageBytes: 1000 },
    frames: (f) => [
      f(text, "x".repeat(600), { fin: false }),
      f(continuation, "x".repeat(401)),
    ],
  },
  {
    name: "too many fragments",
    code: 1009,
    options: { maxFragments: 2 },
    frames: (f) => [
      f(text, "x", { fin: false }),
      f(continuation, "x", { fin: false }),
      f(continuation, "x", { fin: false }),
    ],
  },
];

for (const { name, code, options, frames } of VIOLATIONS) {
  bothSides(`${name} earns ${code}`, (side, f) => {
    const good = f(text, "good");
    const bad = frames(f, side);
    const expected = { code, seen: [{ text: "good" }] };
    assertEquals(violation(side, [good, ...bad], options), expected);
    assertEquals(violation(side, [concat(good, ...bad)], options), expected);
  });
}

bothSides("control frames do not count as part of a message", (side, f) => {
  assertEquals(
    decode(side, [
      f(binary, pattern(100), { fin: false }),
      f(ping, "x".repeat(125)),
      f(continuation, ""),
    ], { maxMessageBytes: 100 }),
    [{ ping: "x".repeat(125) }, { binary: pattern(100) }],
  );
});

bothSides("the largest message fits", (side, f) => {
  for (const size of [10, 1000, 100_000]) {
    const options = { maxMessageBytes: size };
    assertEquals(
      decode(side, [f(binary, pattern(size))], options),
      [{ binary: pattern(size) }],
    );
  }
});

bothSides("compressed messages are delivered as they are", (side, f) => {
  const payload = pattern(70_000);
  assertEquals(
    decode(side, [
      f(text, payload.subarray(0, 9), { reserved: 4 }),
      f(binary, payload, { reserved: 4 }),
      f(text, payload.subarray(0, 9), { reserved: 4, fin: false }),
      f(ping),
      f(continuation, payload.subarray(9)),
      f(text, "plain"),
    ], { compression: true }),
    [
      { compressed: payload.slice(0, 9), isText: true },
      { compressed: payload, isText: false },
      { ping: "" },
      { compressed: payload, isText: true },
      { text: "plain" },
    ],
  );
});

bothSides("stop leaves the rest of the buffer undecoded", (side, f) => {
  const bytes = concat(f(text, "one"), f(text, "two"), f(text, "three"));
  const feed = new Feed(side);
  feed.onSeen = () => feed.decoder.stop();
  const used = feed.decoder.decode(bytes, 0, bytes.length);
  assertEquals(feed.seen, [{ text: "one" }]);
  feed.decoder.decode(bytes, used, bytes.length);
  assertEquals(feed.seen, [{ text: "one" }, { text: "two" }]);
});

bothSides("what a frame needs is known from its header", (side, f) => {
  const cases: [Uint8Array, number][] = [
    [f(text, "x".repeat(5000)), 5000],
    [f(text, "x"), 1],
  ];
  for (const [bytes, payload] of cases) {
    const feed = new Feed(side);
    feed.push(bytes.subarray(0, -1));
    const header = bytes.length - payload;
    assertEquals(feed.decoder.needed, header + payload);
    feed.push(bytes.subarray(-1));
    assertEquals(feed.decoder.needed, 2);
  }
});

const message = fc.oneof(
  fc.record({ text: fc.string({ unit: "binary", maxLength: 600 }) }),
  fc.record({ binary: fc.uint8Array({ maxLength: 600 }) }),
  fc.record({ binary: fc.constantFrom(pattern(65_530), pattern(66_000)) }),
);

bothSides("messages survive any fragments and any reads", (side, f) => {
  const script = fc.record({
    messages: fc.array(message, { maxLength: 5 }),
    cuts: fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
    pings: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
  });
  fc.assert(
    fc.property(script, ({ messages, cuts, pings }) => {
      let turn = 0;
      const next = (below: number) => (cuts[turn++ % cuts.length] ?? 0) % below;
      const parts: Uint8Array[] = [];
      const expected: Seen[] = [];
      for (const sent of messages) {
        const payload = "text" in sent
          ? new TextEncoder().encode(sent.text)
          : sent.binary;
        const count = 1 + next(4);
        let at = 0;
        for (let piece = 0; piece < count; piece++) {
          const isLast = piece === count - 1;
          const end = isLast
            ? payload.length
            : at + next(payload.length - at + 1);
          const opcode = piece > 0
            ? continuation
            : "text" in sent
            ? text
            : binary;
          parts.push(f(opcode, payload.subarray(at, end), { fin: isLast }));
          at = end;
          if (pings[turn % pings.length] && !isLast) {
            parts.push(f(ping, `${turn}`));
            expected.push({ ping: `${turn}` });
          }
        }
        expected.push(
          "text" in sent
            ? {
              text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(
                payload,
              ),
            }
            : { binary: payload },
        );
      }
      const wire = concat(...parts);
      const feed = new Feed(side);
      for (let at = 0; at < wire.length;) {
        const end = Math.min(wire.length, at + 1 + next(1500));
        feed.push(wire.subarray(at, end));
        at = end;
      }
      assertEquals(feed.seen, expected);
    }),
    { numRuns: 60, verbose: true },
  );
});

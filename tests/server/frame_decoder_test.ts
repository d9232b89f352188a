import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FrameDecoder } from "../../src/server/frame_decoder.ts";
import { Opcode, ProtocolError } from "../../src/server/frames.ts";
import { clientFrame, type FrameShape } from "../support/raw_client.ts";

type Seen =
  | { message: string | number[] }
  | { ping: number[] }
  | { pong: number[] }
  | { close: [number, string] };

function decoderWith(maxMessageBytes?: number) {
  const seen: Seen[] = [];
  const decoder = new FrameDecoder({
    message: (data) =>
      seen.push({ message: typeof data === "string" ? data : [...data] }),
    ping: (payload) => seen.push({ ping: [...payload] }),
    pong: (payload) => seen.push({ pong: [...payload] }),
    close: (code, reason) => seen.push({ close: [code, reason] }),
  }, maxMessageBytes);
  return { decoder, seen };
}

function decode(...frames: Uint8Array<ArrayBuffer>[]): Seen[] {
  const { decoder, seen } = decoderWith();
  for (const frame of frames) decoder.push(frame);
  return seen;
}

/** The close code that these frames earn, and what came before. */
function violation(...frames: Uint8Array<ArrayBuffer>[]) {
  const { decoder, seen } = decoderWith(100_000);
  const error = assertThrows(() => {
    for (const frame of frames) decoder.push(frame);
  }, ProtocolError);
  return { code: error.closeCode, seen };
}

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const { text, binary, continuation, close, ping, pong } = Opcode;

Deno.test("the examples of RFC 6455, 5.7 are understood", () => {
  assertEquals(
    decode(Uint8Array.of(
      ...[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d],
      ...[0x7f, 0x9f, 0x4d, 0x51, 0x58],
    )),
    [{ message: "Hello" }],
  );
});

Deno.test("a message may have any length, masked with any key", () => {
  for (const size of [0, 1, 2, 3, 4, 5, 125, 126, 127, 65535, 65536, 70001]) {
    const payload = Uint8Array.from({ length: size }, (_, i) => i * 31);
    const mask = [0xff, 0x00, 0xa5, 0x81];
    assertEquals(
      decode(clientFrame(binary, payload, { mask })),
      [{ message: [...payload] }],
      `${size} bytes`,
    );
  }
});

Deno.test("a message in fragments is one message, around control frames", () => {
  assertEquals(
    decode(
      clientFrame(text, "Grü\u00df".slice(0, 3), { fin: false }),
      clientFrame(ping, "x"),
      clientFrame(continuation, "", { fin: false }),
      clientFrame(pong, "y"),
      clientFrame(continuation, "\u00dfe"),
      clientFrame(text, "next"),
    ),
    [
      { ping: [0x78] },
      { pong: [0x79] },
      { message: "Grü\u00dfe" },
      { message: "next" },
    ],
  );
});

Deno.test("a character may be torn by a fragment's end", () => {
  const [first, second] = new TextEncoder().encode("ü");
  assertEquals(
    decode(
      clientFrame(text, Uint8Array.of(first ?? 0), { fin: false }),
      clientFrame(continuation, Uint8Array.of(second ?? 0)),
    ),
    [{ message: "ü" }],
  );
});

Deno.test("a close frame is the last thing that is heard", () => {
  const body = Uint8Array.of(0x03, 0xe8, 0x62, 0x79, 0x65);
  assertEquals(
    decode(
      concat(clientFrame(close, body), clientFrame(text, "too late")),
      clientFrame(text, "much too late"),
      Uint8Array.of(0xff, 0xff),
    ),
    [{ close: [1000, "bye"] }],
  );
  assertEquals(decode(clientFrame(close)), [{ close: [1005, ""] }]);
});

const VIOLATIONS: readonly [
  string,
  1002 | 1007 | 1009,
  Uint8Array<ArrayBuffer>[],
][] = [
  ["an unmasked frame", 1002, [clientFrame(text, "x", { mask: undefined })]],
  ["a reserved bit", 1002, [clientFrame(text, "x", { reserved: 4 })]],
  ["a reserved opcode", 1002, [clientFrame(3, "x")]],
  ["a reserved control opcode", 1002, [clientFrame(11, "x")]],
  ["a continuation of nothing", 1002, [clientFrame(continuation, "x")]],
  ["a second message inside the first", 1002, [
    clientFrame(text, "x", { fin: false }),
    clientFrame(text, "y"),
  ]],
  ["a fragmented ping", 1002, [clientFrame(ping, "x", { fin: false })]],
  ["a long ping", 1002, [clientFrame(ping, "x".repeat(126))]],
  ["two length bytes for a short one", 1002, [
    clientFrame(text, "x".repeat(125), { lengthBytes: 2 }),
  ]],
  ["eight length bytes for a middling one", 1002, [
    clientFrame(text, "x".repeat(65535), { lengthBytes: 8 }),
  ]],
  ["a length with its first bit set", 1002, [
    clientFrame(text, "", { lengthBytes: 8, length: 2 ** 63 }),
  ]],
  ["a close body of one byte", 1002, [clientFrame(close, "x")]],
  ["a forbidden close code", 1002, [
    clientFrame(close, Uint8Array.of(3, 0xee)),
  ]],
  ["a reason that is not UTF-8", 1007, [
    clientFrame(close, Uint8Array.of(3, 0xe8, 0xff)),
  ]],
  ["a text that is not UTF-8", 1007, [clientFrame(text, Uint8Array.of(0xff))]],
  ["half a character at the end of a message", 1007, [
    clientFrame(text, Uint8Array.of(0xc3), { fin: false }),
    clientFrame(continuation, "x"),
  ]],
  ["a large message", 1009, [clientFrame(binary, new Uint8Array(100_001))]],
  ["a large message in fragments", 1009, [
    clientFrame(binary, new Uint8Array(60_000), { fin: false }),
    clientFrame(continuation, new Uint8Array(40_001)),
  ]],
];

for (const [name, code, frames] of VIOLATIONS) {
  Deno.test(`${name} is a violation with ${code}`, () => {
    assertEquals(violation(...frames).code, code);
  });
}

Deno.test("what came before a violation is delivered", () => {
  const { seen } = violation(
    concat(clientFrame(text, "sound"), clientFrame(3, "broken")),
  );
  assertEquals(seen, [{ message: "sound" }]);
});

Deno.test("a huge frame is refused at its header", () => {
  const frame = clientFrame(binary, "", { lengthBytes: 8, length: 2 ** 40 });
  assertEquals(violation(frame).code, 1009);
});

Deno.test("a message as large as allowed passes", () => {
  const { decoder, seen } = decoderWith(1000);
  decoder.push(clientFrame(binary, new Uint8Array(400), { fin: false }));
  decoder.push(clientFrame(continuation, new Uint8Array(600)));
  decoder.push(clientFrame(binary, new Uint8Array(1000)));
  assertEquals(seen.length, 2);
});

Deno.test("a delivered message does not change with the next read", () => {
  const messages: (string | Uint8Array)[] = [];
  const decoder = new FrameDecoder({
    message: (data) => messages.push(data),
    ping() {},
    pong() {},
    close() {},
  });
  const buffer = clientFrame(binary, Uint8Array.of(1, 2, 3));
  decoder.push(buffer);
  buffer.fill(0xee);
  assertEquals(messages, [Uint8Array.of(1, 2, 3)]);
});

const SHAPES: fc.Arbitrary<FrameShape> = fc.record({
  mask: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
});

Deno.test("any messages, torn and fragmented anyhow, come through", () => {
  const message = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 200 }),
    fc.uint8Array({ maxLength: 300 }),
  );
  fc.assert(fc.property(
    fc.array(fc.tuple(message, SHAPES, fc.nat(400)), { maxLength: 10 }),
    fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }),
    (messages, cuts) => {
      const frames = messages.flatMap(([data, shape, split]) => {
        const bytes = typeof data === "string"
          ? new TextEncoder().encode(data)
          : data;
        const opcode = typeof data === "string" ? text : binary;
        return [
          clientFrame(opcode, bytes.slice(0, split), { ...shape, fin: false }),
          clientFrame(ping, "p", shape),
          clientFrame(continuation, bytes.slice(split), shape),
        ];
      });
      const { decoder, seen } = decoderWith();
      const stream = concat(...frames);
      let turn = 0;
      for (let at = 0; at < stream.length;) {
        const size = cuts[turn++ % cuts.length] ?? 1;
        decoder.push(stream.slice(at, at + size));
        at += size;
      }
      assertEquals(
        seen.filter((event) => "message" in event),
        messages.map(([data]) => ({
          message: typeof data === "string" ? data : [...data],
        })),
      );
    },
  ));
});

Deno.test("whatever bytes come, only a ProtocolError can follow", () => {
  fc.assert(fc.property(
    fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 }),
    (chunks) => {
      const { decoder } = decoderWith(1000);
      try {
        for (const chunk of chunks) decoder.push(new Uint8Array(chunk));
      } catch (error) {
        assertEquals(error instanceof ProtocolError, true, String(error));
      }
    },
  ));
});

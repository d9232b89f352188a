import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { byteLength } from "../../src/message.ts";
import {
  encodeCloseBody,
  encodeFrame,
  FrameBuffer,
} from "../../src/protocol/encoder.ts";
import { FIN, headerSize, RSV1 } from "../../src/protocol/frames.ts";
import {
  type Maskable,
  MaskedMemory,
  vectorMemory,
} from "../../src/protocol/masking.ts";
import { Feed, Opcode, otherSide, type Seen, SIDES } from "./frames.ts";

function filled(frames: FrameBuffer): Uint8Array<ArrayBuffer> {
  return frames.bytes.subarray(0, frames.length);
}

Deno.test("a server's frames are the examples of RFC 6455, section 5.7", () => {
  const frames = new FrameBuffer("server", 1000);
  frames.addMessage("Hello");
  frames.addFrame(FIN | Opcode.ping, new TextEncoder().encode("Hello"));
  const hello = [0x48, 0x65, 0x6c, 0x6c, 0x6f];
  assertEquals(
    [...filled(frames)],
    [0x81, 0x05, ...hello, 0x89, 0x05, ...hello],
  );
});

Deno.test("a client masks every frame with another key", () => {
  const frames = new FrameBuffer("client", 100_000);
  const keys = new Set<string>();
  for (let count = 0; count < 3000; count++) {
    frames.clear();
    frames.addMessage("\0\0\0\0\0\0\0\0");
    const [first, second, ...rest] = filled(frames);
    assertEquals([first, second], [0x81, 0x88]);
    assertEquals(rest.slice(4, 8), rest.slice(0, 4));
    assertEquals(rest.slice(8, 12), rest.slice(0, 4));
    keys.add(rest.slice(0, 4).join());
  }
  // Of 3000 draws from 2^32, two are alike once in a thousand runs; four
  // pairs are not to be seen.
  assert(keys.size > 2996, `${keys.size} different keys`);
});

const TEXTS = [
  "",
  "plain",
  "x".repeat(96),
  "x".repeat(97),
  "x".repeat(125),
  "x".repeat(126),
  "é".repeat(62),
  "é".repeat(63),
  "世".repeat(42),
  "x".repeat(65_535),
  "x".repeat(65_536),
  "é".repeat(32_768),
  "🎉".repeat(20_000),
];

for (const side of SIDES) {
  Deno.test(`${side}: a text fits exactly or is refused`, () => {
    for (const text of TEXTS) {
      const length = new TextEncoder().encode(text).length;
      const header = (length < 126 ? 2 : length < 65_536 ? 4 : 10) +
        (side === "client" ? 4 : 0);
      const exact = new FrameBuffer(side, header + length);
      assertEquals(exact.addMessage(text), true);
      assertEquals(exact.length, header + length);
      const feed = new Feed(otherSide(side));
      feed.push(filled(exact));
      assertEquals(feed.seen, [{ text }]);

      const small = new FrameBuffer(side, header + length - 1);
      assertEquals(small.addMessage(text), false);
      assertEquals(small.length, 0);
    }
  });

  Deno.test(`${side}: a binary message fits exactly or is refused`, () => {
    for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
      const binary = Uint8Array.from({ length }, (_, index) => index);
      const size = headerSize(length, side === "client") + length;
      const exact = new FrameBuffer(side, size);
      assertEquals(exact.addMessage(binary), true);
      assertEquals(exact.length, size);
      const small = new FrameBuffer(side, size - 1);
      assertEquals(small.addMessage(binary), false);
      assertEquals(small.length, 0);
    }
  });

  Deno.test(`${side}: the sender's bytes are left alone`, () => {
    const binary = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    new FrameBuffer(side, 100).addMessage(binary);
    encodeFrame(side, Opcode.ping, binary);
    assertEquals([...binary], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  Deno.test(`${side}: the other side reads what was sent`, () => {
    const message = fc.oneof(
      fc.record({ text: fc.string({ unit: "binary", maxLength: 300 }) }),
      fc.record({ text: fc.string({ unit: "binary-ascii", maxLength: 300 }) }),
      fc.record({ text: fc.nat(3000).map((length) => "x".repeat(length)) }),
      fc.record({ binary: fc.uint8Array({ maxLength: 300 }) }),
      fc.record({ ping: fc.string({ unit: "binary-ascii", maxLength: 125 }) }),
    );
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        const frames = new FrameBuffer(side, 100_000);
        const expected: Seen[] = [];
        for (const sent of messages) {
          if ("ping" in sent) {
            const payload = new TextEncoder().encode(sent.ping);
            frames.addFrame(FIN | Opcode.ping, payload);
          } else frames.addMessage("text" in sent ? sent.text : sent.binary);
          expected.push(
            "text" in sent ? { text: sent.text.toWellFormed() } : sent,
          );
        }
        const feed = new Feed(otherSide(side));
        feed.push(filled(frames));
        assertEquals(feed.seen, expected);
      }),
      { verbose: true },
    );
  });
}

for (const side of SIDES) {
  Deno.test(`${side}: short texts keep their place among other frames`, () => {
    const frames = new FrameBuffer(side, 1_000_000);
    const expected: Seen[] = [];
    for (let index = 0; index < 3000; index++) {
      const text = String.fromCharCode(index % 128).repeat(index % 300);
      frames.addMessage(text);
      expected.push({ text });
      if (index % 1000 !== 500) continue;
      frames.addFrame(FIN | Opcode.ping, Uint8Array.of(0x31));
      frames.addMessage("é");
      frames.addMessage(Uint8Array.of(1));
      expected.push({ ping: "1" }, { text: "é" }, {
        binary: Uint8Array.of(1),
      });
    }
    const feed = new Feed(otherSide(side));
    feed.push(filled(frames));
    assertEquals(feed.seen, expected);
  });

  Deno.test(`${side}: what was cleared is not sent`, () => {
    const frames = new FrameBuffer(side, 100);
    frames.addMessage("a");
    frames.clear();
    frames.addMessage("b");
    const feed = new Feed(otherSide(side));
    feed.push(filled(frames));
    assertEquals(feed.seen, [{ text: "b" }]);
  });
}

Deno.test("a lone surrogate is sent as U+FFFD", () => {
  for (const text of ["\ud83c", "a".repeat(200) + "\udf89"]) {
    const frames = new FrameBuffer("server", 1000);
    frames.addMessage(text);
    const feed = new Feed("client");
    feed.push(filled(frames));
    assertEquals(feed.seen, [{ text: text.toWellFormed() }]);
  }
});

Deno.test("a compressed message has RSV1 set", () => {
  const frames = new FrameBuffer("server", 100);
  frames.addFrame(FIN | RSV1 | Opcode.text, Uint8Array.of(7), 50);
  assertEquals([...filled(frames)], [0xc1, 1, 7]);
  assertEquals(
    [...encodeFrame("server", Opcode.binary, Uint8Array.of(8), true)],
    [0xc2, 1, 8],
  );
});

for (const side of SIDES) {
  Deno.test(`${side}: a message counts once its last byte is written`, () => {
    const frames = new FrameBuffer(side, 200_000);
    const messages = ["", "é".repeat(70), "x".repeat(300), "x".repeat(70_000)];
    const short = ["a", "", "b".repeat(200)];
    const ends: [end: number, payload: number][] = [];
    for (const message of messages) {
      frames.addMessage(message);
      ends.push([frames.length, byteLength(message)]);
      frames.addFrame(FIN | Opcode.ping, Uint8Array.of(1, 2, 3));
      frames.addFrame(FIN | RSV1 | Opcode.text, Uint8Array.of(7), 1000);
      ends.push([frames.length, 1000]);
    }
    for (const text of short) {
      frames.addMessage(text);
      ends.push([frames.length, byteLength(text)]);
    }
    for (const step of [1, 7, 1000, 200_000]) {
      const copy = new FrameBuffer(side, 200_000);
      for (const message of messages) {
        copy.addMessage(message);
        copy.addFrame(FIN | Opcode.ping, Uint8Array.of(1, 2, 3));
        copy.addFrame(FIN | RSV1 | Opcode.text, Uint8Array.of(7), 1000);
      }
      for (const text of short) copy.addMessage(text);
      let total = 0;
      for (let to = 0; to < copy.length;) {
        to = Math.min(copy.length, to + step);
        total += copy.written(to);
        const expected = ends.filter(([end]) => end <= to)
          .reduce((sum, [, payload]) => sum + payload, 0);
        assertEquals(total, expected, `${to} bytes`);
      }
    }
  });
}

Deno.test("a close frame carries a code that may be sent, or nothing", () => {
  assertEquals([...encodeCloseBody()], []);
  assertEquals([...encodeCloseBody(1005)], []);
  assertEquals([...encodeCloseBody(1000)], [3, 232]);
  assertEquals([...encodeCloseBody(4000, "é")], [15, 160, 0xc3, 0xa9]);
  assertEquals(encodeCloseBody(1000, "x".repeat(123)).length, 125);
  for (const code of [0, 999, 1004, 1006, 1015, 2000, 5000, 3000.5, NaN]) {
    assertThrows(() => encodeCloseBody(code), RangeError, `${code}`);
  }
  assertThrows(() => encodeCloseBody(1000, "é".repeat(62)), RangeError);
  assertThrows(() => encodeCloseBody(1005, "why"), RangeError);
});

Deno.test("all ways to mask are the one of RFC 6455, section 5.3", () => {
  const size = 256;
  const [vectors] = vectorMemory(size);
  assert(vectors !== undefined);
  const memories: readonly Maskable[] = [
    vectors,
    new MaskedMemory(new Uint8Array(size)),
    new MaskedMemory(new Uint8Array(new ArrayBuffer(size + 8), 3, size)),
  ];
  const content = crypto.getRandomValues(new Uint8Array(size));
  for (const key of [0x04030201, -2, 0]) {
    const octets = [key, key >>> 8, key >>> 16, key >>> 24];
    for (let start = 0; start < 20; start++) {
      for (const end of [start, start + 1, start + 7, start + 33, size]) {
        const masked = content.map((octet, at) =>
          at < start || at >= end
            ? octet
            : octet ^ (octets[(at - start) % 4] ?? 0)
        );
        for (const memory of memories) {
          memory.bytes.set(content);
          memory.mask(start, end, key);
          assertEquals(memory.bytes, masked);
        }
      }
    }
  }
});

Deno.test("the pieces of fast memory do not overlap", () => {
  const pieces = vectorMemory(256 * 1024);
  pieces.forEach(({ bytes }, index) => bytes.fill(index + 1));
  pieces.forEach(({ mask, bytes }) => mask(0, bytes.length, 0x01010101));
  assertEquals(
    pieces.map(({ bytes }) => [bytes.length, ...new Set(bytes)]),
    [0, 3, 2, 5].map((octet) => [256 * 1024, octet]),
  );
});

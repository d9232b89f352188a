import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Decoder } from "../../src/protocol/decoder.ts";
import { ProtocolError } from "../../src/protocol/frames.ts";
import {
  closeBody,
  concat,
  frame,
  Opcode,
  otherSide,
  type Seen,
  SIDES,
} from "./frames.ts";
import { runMemoryScript } from "../support/memory_script.ts";

const { text, binary, close, ping, pong } = Opcode;

/** Reports what a decoder finds; all bytes are there at once. */
function decoder(side: typeof SIDES[number], seen: Seen[]): Decoder {
  const decode = (payload: Uint8Array) => new TextDecoder().decode(payload);
  return new Decoder(side, {
    onMessage: (data) =>
      seen.push(typeof data === "string" ? { text: data } : { binary: data }),
    onPing: (payload) => seen.push({ ping: decode(payload) }),
    onPong: (payload) => seen.push({ pong: decode(payload) }),
    onClose: (...close) => seen.push({ close }),
  });
}

/** The bytes in memory that begins and ends at no whole word. */
function atOddPlace(
  bytes: Uint8Array,
  before: number,
): Uint8Array<ArrayBuffer> {
  const memory = new Uint8Array(before + bytes.length);
  memory.set(bytes, before);
  return memory.subarray(before);
}

/** What to put into a frame, and what is to be seen of it. */
type Part = readonly [opcode: number, payload: string | Uint8Array];

function seenOf([opcode, payload]: Part): Seen {
  if (typeof payload !== "string") return { binary: payload };
  if (opcode === ping) return { ping: payload };
  return opcode === pong ? { pong: payload } : { text: payload };
}

/** Texts that differ in length and in every character. */
function letters(length: number, seed: number): string {
  return Array.from(
    { length },
    (_, index) => String.fromCharCode((seed + index * 7) % 128),
  ).join("");
}

function texts(count: number, length: number, change = 0): Part[] {
  return Array.from({ length: count }, (_, index) => [
    text,
    letters(length + change * index, index),
  ]);
}

const RUNS: Readonly<Record<string, readonly Part[]>> = {
  "empty texts": texts(40, 0),
  "texts that are shorter than a substring that V8 makes a view": [
    ...texts(20, 12),
    ...texts(20, 13),
  ],
  "texts of all short lengths": texts(300, 0, 1),
  "texts at the longest length of a byte": texts(20, 120, 1),
  "one text": texts(1, 64),
  "two texts": texts(2, 64),
  "three texts": texts(3, 64),
  "as many texts as a slab holds, and one more or less": [
    ...texts(15, 20),
    [ping, "a"],
    ...texts(16, 20),
    [ping, "b"],
    ...texts(17, 20),
  ],
  "texts of which three hardly fit into 4 KiB, or not": [1359, 1360, 1361, 1362]
    .flatMap((length) => [...texts(3, length), [ping, "x"] as const]),
  "texts of 4 KiB": texts(5, 4090, 1),
  "short and long texts in turn": [
    ...texts(20, 30),
    ...texts(2, 70_000),
    ...texts(20, 30),
    ...texts(1, 5000),
    ...texts(3, 5),
  ],
  "control frames between texts": [
    ...texts(2, 30),
    [ping, "é"],
    ...texts(5, 30),
    [pong, ""],
    ...texts(1, 30),
    [ping, "x".repeat(125)],
    ...texts(9, 30),
  ],
  "binary messages between texts": [
    ...texts(5, 30),
    [binary, new Uint8Array(50).fill(0x81)],
    ...texts(5, 30),
    [binary, Uint8Array.of(0x81, 2, 0x68, 0x69)],
    ...texts(5, 30),
  ],
  "texts of which none is ASCII": Array.from(
    { length: 200 },
    (_, index) => [text, "ж".repeat(index % 40 + 1)] as const,
  ),
  "texts of which one in ten is not ASCII": Array.from(
    { length: 200 },
    (_, index) =>
      [
        text,
        `${letters(index, index)}${index % 10 === 3 ? "🎉" : "x"}`,
      ] as const,
  ),
  "texts of which the last one ends with another character": [
    ...texts(5, 30),
    [text, "xé"],
  ],
  "a byte order mark, a real U+FFFD, a NUL": Array.from(
    { length: 60 },
    (_, index) =>
      [
        text,
        ["\ufeffx", "a", "b", "\ufffd", "\0", "c"][index % 6] ?? "",
      ] as const,
  ),
};

for (const side of SIDES) {
  for (const [name, parts] of Object.entries(RUNS)) {
    Deno.test(`${side}: ${name} are decoded in one buffer`, () => {
      const bytes = concat(
        ...parts.map(([opcode, payload]) =>
          frame(otherSide(side), opcode, payload)
        ),
      );
      for (let before = 0; before < 5; before++) {
        const seen: Seen[] = [];
        const used = decoder(side, seen)
          .decode(atOddPlace(bytes, before), 0, bytes.length);
        assertEquals(used, bytes.length);
        assertEquals(seen, parts.map(seenOf), `${before} bytes before`);
      }
    });
  }

  Deno.test(`${side}: one wrong byte fails after the texts before it`, () => {
    for (const length of [1, 4, 13, 64, 125, 126, 300, 1000]) {
      const places = [0, 1, 2, 3, 4, length >> 1, length - 2, length - 1];
      for (const at of places.filter((at) => at >= 0 && at < length)) {
        for (let before = 0; before < 10; before++) {
          const wrong = new Uint8Array(length).fill(0x61).fill(
            0xff,
            at,
            at + 1,
          );
          const good = texts(before, length).map(([opcode, payload]) =>
            frame(otherSide(side), opcode, payload)
          );
          const bytes = concat(
            ...good,
            frame(otherSide(side), text, wrong),
            frame(otherSide(side), text, "after it"),
            frame(otherSide(side), text, "after it"),
          );
          const seen: Seen[] = [];
          const { closeCode } = assertThrows(
            () => decoder(side, seen).decode(bytes, 0, bytes.length),
            ProtocolError,
          );
          assertEquals(closeCode, 1007);
          assertEquals(seen, texts(before, length).map(seenOf));
        }
      }
    }
  });

  Deno.test(`${side}: a decoder that was stopped sees what the buffer holds next`, () => {
    const bytesOf = (letter: string) =>
      concat(
        ...Array.from(
          { length: 8 },
          () => frame(otherSide(side), text, letter.repeat(20)),
        ),
      );
    const seen: Seen[] = [];
    const stopping: Decoder = new Decoder(side, {
      onMessage: (data) => {
        if (typeof data === "string") seen.push({ text: data });
        stopping.stop();
      },
      onPing: () => {},
      onPong: () => {},
      onClose: () => {},
    });
    const buffer = bytesOf("a");
    const used = stopping.decode(buffer, 0, buffer.length);
    stopping.decode(buffer, used, buffer.length);
    buffer.set(bytesOf("b"));
    stopping.decode(buffer, 0, buffer.length);
    assertEquals(seen, [
      { text: "a".repeat(20) },
      { text: "a".repeat(20) },
      { text: "b".repeat(20) },
    ]);
  });

  Deno.test(`${side}: a decoder may get another buffer for each read`, () => {
    const seen: Seen[] = [];
    const one = decoder(side, seen);
    const expected: Seen[] = [];
    for (const letter of ["ab", "é", "cd", "ж"]) {
      for (let before = 0; before < 4; before++) {
        const parts = texts(5, 20).map(([, own]) =>
          [text, own + letter] as const
        );
        const bytes = concat(
          ...parts.map((part) => frame(otherSide(side), ...part)),
        );
        one.decode(atOddPlace(bytes, before), 0, bytes.length);
        expected.push(...parts.map(seenOf));
      }
    }
    assertEquals(seen, expected);
  });

  Deno.test(`${side}: any texts in any reads are what TextDecoder makes of them`, () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const payload = fc.oneof(
      { weight: 6, arbitrary: ascii(0, 40) },
      { weight: 3, arbitrary: ascii(60, 300) },
      { weight: 1, arbitrary: ascii(900, 5000) },
      { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 90 }) },
    ).map((string) => new TextEncoder().encode(string));
    const part = fc.oneof(
      { weight: 30, arbitrary: payload.map((bytes) => [text, bytes] as const) },
      {
        weight: 1,
        arbitrary: fc.uint8Array({ maxLength: 30 })
          .map((bytes) => [text, bytes] as const),
      },
      {
        weight: 2,
        arbitrary: fc.tuple(
          fc.constantFrom(binary, ping, pong),
          fc.uint8Array({ maxLength: 125 }),
        ),
      },
    );
    const script = fc.record({
      parts: fc.array(part, { maxLength: 120, size: "max" }),
      reads: fc.array(
        fc.oneof(fc.nat(60), fc.nat(3000), fc.constant(65_536)),
        { minLength: 1, maxLength: 10 },
      ),
      before: fc.nat(4),
    });
    fc.assert(
      fc.property(script, ({ parts, reads, before }) => {
        const expected: Seen[] = [];
        let isValid = true;
        for (const [opcode, bytes] of parts) {
          const loose = new TextDecoder().decode(bytes);
          try {
            expected.push(
              opcode === ping
                ? { ping: loose }
                : opcode === pong
                ? { pong: loose }
                : opcode === binary
                ? { binary: bytes }
                : { text: strict.decode(bytes) },
            );
          } catch {
            isValid = false;
            break;
          }
        }
        const wire = concat(
          ...parts.map(([opcode, bytes]) =>
            frame(otherSide(side), opcode, bytes)
          ),
          frame(otherSide(side), close, closeBody(1000)),
        );
        if (isValid) expected.push({ close: [1000, ""] });
        const seen: Seen[] = [];
        const code = feed(decoder(side, seen), wire, reads, before);
        assertEquals(code, isValid ? undefined : 1007);
        assertEquals(seen, expected);
      }),
      { numRuns: 150, verbose: true },
    );
  });
}

function ascii(minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.record({
    length: fc.integer({ min: minLength, max: maxLength }),
    seed: fc.nat(127),
  }).map(({ length, seed }) => letters(length, seed));
}

/** Reads into one buffer, as a socket does; the close code of a violation. */
function feed(
  to: Decoder,
  wire: Uint8Array,
  reads: readonly number[],
  before: number,
): number | undefined {
  const buffer = new Uint8Array(before + 128 * 1024 + 3).subarray(before);
  let length = 0;
  let turn = 0;
  try {
    for (let at = 0; at < wire.length;) {
      const count = 1 + (reads[turn++ % reads.length] ?? 0);
      const bytes = wire.subarray(at, at + count);
      buffer.set(bytes, length);
      at += bytes.length;
      length += bytes.length;
      const used = to.decode(buffer, 0, length);
      buffer.copyWithin(0, used, length);
      length -= used;
    }
  } catch (error) {
    if (error instanceof ProtocolError) return error.closeCode;
    throw error;
  }
}

Deno.test("a kept text keeps at most 16 texts and 4 KiB, and nothing if it came alone", async () => {
  const script = new URL("./kept_texts.ts", import.meta.url);
  const printed = await runMemoryScript(script);
  const [short = NaN, long = NaN, lone = NaN, all = NaN] = printed.split(" ")
    .map(Number);
  assert(short < 2 * 16 * 66, `${short} bytes for a text of 64`);
  assert(long < 2 * 4096, `${long} bytes for a text of 1000`);
  assert(lone < 4 * 64, `${lone} bytes for a text of 64 that came alone`);
  assert(all < 4 * 64, `${all} bytes for each text of 64 if all are kept`);
});

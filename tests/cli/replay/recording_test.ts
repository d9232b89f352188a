import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Message } from "../../../mod.ts";
import {
  type Entry,
  readRecording,
  RecordingError,
  recordLine,
} from "../../../src/cli/replay/record.ts";
import { anyText } from "../../support/texts.ts";

async function read(text: string): Promise<Entry[]> {
  const stream = new Blob([text]).stream().getReader();
  const entries: Entry[] = [];
  const source = {
    async read(buffer: Uint8Array) {
      const { value, done } = await stream.read();
      if (done) return null;
      buffer.set(value);
      return value.length;
    },
  };
  for await (const entry of readRecording(source, "file")) entries.push(entry);
  return entries;
}

Deno.test("whatever is recorded is read again, to the byte and the microsecond", async () => {
  const data: fc.Arbitrary<Message> = fc.oneof(anyText, fc.uint8Array());
  await fc.assert(
    fc.asyncProperty(fc.array(data, { maxLength: 20 }), async (messages) => {
      const entries = messages.map((data, i) => ({ at: i * 1.001, data }));
      const lines = entries.map(({ at, data }) =>
        recordLine(data, "ws://h/", 5, at) + "\n"
      );
      const found = await read(lines.join(""));
      assertEquals(found.map(({ data }) => data), messages);
      found.forEach(({ at }, i) =>
        assertEquals(at.toFixed(3), (i * 1.001).toFixed(3))
      );
    }),
  );
});

Deno.test("a recording that goes to a terminal drives it not", () => {
  const line = recordLine("\x9b2J\u202e", "ws://h/", 1, 0);
  assertMatch(line, /^[^\p{Cc}\p{Bidi_Control}]*$/u);
  assertEquals(JSON.parse(line).data, "\x9b2J\u202e");
});

Deno.test("what --json printed is a recording too, by its ts", async () => {
  const text = `{"v":1,"type":"open","ts":1}

{"v":1,"type":"message","ts":7,"data":"a"}
{"v":1,"type":"gap","ts":8}
{"v":1,"type":"message","ts":9,"data":"AAE=","encoding":"base64"}`;
  assertEquals(await read(text), [
    { at: 7, data: "a" },
    { at: 9, data: Uint8Array.of(0, 1) },
  ]);
});

Deno.test("what is no recording is told by its line", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["nonsense", /line 1 is no event/],
    ['{"v":1,"type":"open"}\n[]', /line 2 is no event/],
    ['{"v":2,"type":"message","ts":1,"data":""}', /of version 1/],
    ['{"v":1,"type":"message","data":""}', /line 1 has no time/],
    ['{"v":1,"type":"message","ts":1}', /no data/],
    [
      '{"v":1,"type":"message","ts":1,"data":"?","encoding":"base64"}',
      /line 1 is not base64/,
    ],
  ];
  for (const [text, pattern] of cases) {
    const error = await assertRejects(() => read(text), RecordingError);
    assertMatch(error.message, pattern);
  }
});

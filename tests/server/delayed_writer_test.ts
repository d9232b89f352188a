import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { HIGH_WATER } from "../../src/server/batch_writer.ts";
import { DelayedWriter } from "../../src/server/delayed_writer.ts";
import type { FrameWriter } from "../../src/server/frame_writer.ts";
import { Opcode } from "../../src/server/frames.ts";

function rig(latency: (message: number) => number) {
  const log: string[] = [];
  const inner: FrameWriter = {
    size: 0,
    full: false,
    drained: () => Promise.resolve(),
    flush: () => Promise.resolve(void log.push("flush")),
    text: (text) => log.push(text),
    frame: (opcode, payload) => log.push(`${opcode}:${payload.join()}`),
    stop: () => log.push("stop"),
  };
  return { log, writer: new DelayedWriter(inner, latency) };
}

Deno.test("frames come later by their latency, and keep their order", async () => {
  const asked: number[] = [];
  const { log, writer } = rig((message) => {
    asked.push(message);
    return message === 0 ? 20 : 1;
  });
  const start = performance.now();
  writer.text("a");
  writer.frame(Opcode.ping, Uint8Array.of(1));
  writer.frame(Opcode.binary, Uint8Array.of(2));
  writer.frame(Opcode.close, Uint8Array.of(3, 232));
  assertEquals(log, []);
  await writer.flush();
  assertGreaterOrEqual(performance.now() - start, 19.9);
  assertEquals(log, ["a", "9:1", "2:2", "8:3,232", "flush"]);
  // Messages have numbers; control frames use that of the next message.
  assertEquals(asked, [0, 1, 1, 2]);
});

Deno.test("a frame that is due goes, and the next one waits", async () => {
  const { log, writer } = rig((message) => message === 0 ? 1 : 30);
  writer.text("a");
  const start = performance.now();
  writer.text("b");
  while (log.length === 0) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(log, ["a"]);
  await writer.flush();
  assertGreaterOrEqual(performance.now() - start, 29.9);
});

Deno.test("a payload is copied: its owner may use it again", async () => {
  const { log, writer } = rig(() => 1);
  const payload = Uint8Array.of(1);
  writer.frame(Opcode.binary, payload);
  payload[0] = 9;
  await writer.flush();
  assertEquals(log[0], "2:1");
});

Deno.test("what is delayed counts as not written, and can be too much", async () => {
  const { writer } = rig(() => 1);
  writer.frame(Opcode.binary, new Uint8Array(HIGH_WATER - 1));
  assertEquals([writer.size, writer.full], [HIGH_WATER - 1, false]);
  writer.text("x");
  assertEquals([writer.size, writer.full], [HIGH_WATER, true]);
  await writer.drained();
  assertEquals([writer.size, writer.full], [0, false]);
});

Deno.test("stopping forgets what is delayed", async () => {
  const { log, writer } = rig(() => 50_000);
  writer.text("a");
  const flushed = writer.flush();
  writer.stop();
  await flushed;
  assertEquals([writer.size, log], [0, ["stop", "flush"]]);
});

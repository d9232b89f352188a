import { assertEquals } from "@std/assert";
import { byteLength, type Message } from "../../src/message.ts";
import { type Give, Pump, type Source } from "../../src/outbound/pump.ts";
import { FakeSink, ManualWaits } from "../support/fake_sink.ts";

const PIECE = "x".repeat(4096);

Deno.test("the socket gets a window of bytes, and the next when half of them are gone", () => {
  const { pump, sink, waits } = pumping(Array(200).fill(PIECE));
  pump.attach(sink);
  assertEquals(sink.sent.length, 64);
  sink.drain(31);
  waits.pass();
  assertEquals(sink.sent.length, 64, "more than half are too many still");
  sink.drain(1);
  waits.pass();
  assertEquals(sink.sent.length, 96);
});

Deno.test("a message larger than the window goes alone", () => {
  const { pump, sink, waits } = pumping([PIECE.repeat(100), "a"]);
  pump.attach(sink);
  assertEquals(sink.sent.length, 1);
  sink.drain();
  waits.pass();
  assertEquals(sink.sent.length, 2);
});

Deno.test("messages without bytes are bounded by their number", () => {
  const { pump, sink, waits } = pumping(Array(1000).fill(""));
  pump.attach(sink);
  assertEquals(sink.sent.length, 256);
  sink.drain();
  waits.pass();
  assertEquals(sink.sent.length, 512);
});

Deno.test("tiny messages are bounded by their number while they stay in the socket", () => {
  const { pump, sink, waits } = pumping(Array(1000).fill("x"));
  pump.attach(sink);
  sink.drain(100);
  waits.pass();
  assertEquals(sink.sent.length, 256);
  sink.drain(50);
  waits.pass();
  assertEquals(sink.sent.length, 256 + 150);
});

Deno.test("the pump looks once for many messages", () => {
  let looks = 0;
  const { pump, source } = pumping(Array(32).fill("x"));
  pump.attach({
    send: () => {},
    get bufferedAmount() {
      looks++;
      return 0;
    },
  });
  assertEquals([looks, source.left], [1, 0]);
});

Deno.test("a peer that stalls is looked at less and less often, and costs no turn in the end", () => {
  const { pump, sink, waits } = pumping(Array(200).fill(PIECE));
  pump.attach(sink);
  const wanted: (number | undefined)[] = [];
  for (let i = 0; i < 45; i++) {
    wanted.push(waits.wanted);
    waits.pass();
  }
  assertEquals(wanted.slice(0, 32), Array(32).fill(0));
  assertEquals(wanted.slice(32, 39), [1, 2, 4, 8, 16, 16, 16]);
  sink.drain(1);
  waits.pass();
  assertEquals(waits.wanted, 0, "it moves: it is looked at each turn");
});

Deno.test("nothing is looked at when the socket is empty", () => {
  const { pump, sink, waits, source } = pumping([]);
  pump.attach(sink);
  assertEquals(waits.wanted, undefined);
  source.add("a");
  pump.run();
  assertEquals(waits.wanted, 0);
  sink.drain();
  waits.pass();
  assertEquals(waits.wanted, undefined);
});

Deno.test("what the gate has sent fills the window, and is waited for", () => {
  const { pump, waits } = pumping(["a"]);
  const sink = new FakeSink();
  sink.send(PIECE.repeat(100));
  pump.attach(sink);
  assertEquals(sink.sent.length, 1);
  sink.drain();
  waits.pass();
  assertEquals(sink.texts.at(-1), "a");
});

Deno.test("paused, it gives nothing more and goes on looking", () => {
  const { pump, sink, waits, source } = pumping(["a"]);
  pump.attach(sink);
  pump.pause();
  source.add("b");
  pump.run();
  sink.drain();
  waits.pass();
  assertEquals(sink.texts, ["a"]);
  assertEquals(source.samples.at(-1), 0);
  pump.attach(sink);
  assertEquals(sink.texts, ["a", "b"]);
});

Deno.test("the last look is taken while the socket is open, and none after", () => {
  const { pump, sink, waits, source } = pumping(["aa", "b"]);
  pump.attach(sink);
  sink.drain(1);
  pump.pause();
  assertEquals(source.samples, [1]);
  sink.isOpen = false;
  waits.pass();
  pump.detach();
  assertEquals(source.samples, [1]);
  assertEquals(waits.wanted, undefined);
});

Deno.test("detached, it gives nothing and waits for nothing", () => {
  const { pump, sink, waits, source } = pumping(["a"]);
  pump.attach(sink);
  pump.detach();
  source.add("b");
  pump.run();
  assertEquals([sink.texts, waits.wanted], [["a"], undefined]);
  assertEquals(pump.has(sink), false);
});

Deno.test("an urgent message goes out at once, full window or pause", () => {
  const { pump, sink } = pumping(Array(100).fill(PIECE));
  assertEquals(pump.sendUrgent("!", 1), false);
  pump.attach(sink);
  pump.pause();
  assertEquals(pump.sendUrgent("!", 1), true);
  assertEquals(sink.texts.at(-1), "!");
  sink.isOpen = false;
  assertEquals(pump.sendUrgent("!", 1), false);
});

Deno.test("a message that a message brings about comes after it", () => {
  const { pump, source } = pumping(["a"]);
  const sink = new FakeSink(() => {
    if (sink.sent.length < 3) source.add(`after ${sink.sent.length}`);
    pump.run();
  });
  pump.attach(sink);
  assertEquals(sink.texts, ["a", "after 1", "after 2"]);
});

Deno.test("when a message ends the link, or pauses it, the next is not handed over", () => {
  for (const end of ["pause", "detach"] as const) {
    const { pump, sink, source } = pumping(["a", "b"]);
    source.onHandedOver = () => pump[end]();
    pump.attach(sink);
    assertEquals([sink.texts, source.left], [["a"], 1]);
    assertEquals(pump.isTaking, false);
  }
});

Deno.test("on a real event loop, after a stall, it goes on by itself", async () => {
  const source = new Messages(Array(200).fill(PIECE));
  const pump = new Pump(source);
  const sink = new FakeSink();
  pump.attach(sink);
  // Wait until the longest wait has begun.
  while (source.samples.length < 40) await turn();
  sink.drain();
  while (sink.sent.length === 64) await turn();
  pump.detach();
  assertEquals(sink.sent.length, 128);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

function pumping(messages: readonly Message[]) {
  const source = new Messages(messages);
  const waits = new ManualWaits();
  const sink = new FakeSink();
  return { pump: new Pump(source, waits), source, waits, sink };
}

class Messages implements Source {
  readonly samples: number[] = [];
  onHandedOver: () => void = () => {};
  readonly #messages: Message[];
  #next = 0;

  constructor(messages: readonly Message[]) {
    this.#messages = [...messages];
  }

  get left(): number {
    return this.#messages.length - this.#next;
  }

  add(message: Message): void {
    this.#messages.push(message);
  }

  handOver(give: Give): boolean {
    const data = this.#messages[this.#next];
    if (data === undefined) return false;
    this.#next++;
    give(data, byteLength(data));
    this.onHandedOver();
    return true;
  }

  sampled(buffered: number): void {
    this.samples.push(buffered);
  }

  ranOut(): void {}

  wantsSamples(): boolean {
    return false;
  }
}

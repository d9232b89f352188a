import { assertEquals } from "@std/assert";
import type { Redelivery } from "../../src/config.ts";
import type { WSError } from "../../src/errors.ts";
import { Delivery } from "../../src/outbound/delivery.ts";
import { Entry, EntryList } from "../../src/outbound/entry.ts";
import { Express } from "../../src/outbound/express.ts";
import { FakeSink, ManualWaits } from "../support/fake_sink.ts";

const BY_TEXT: Redelivery = {
  id: (data) => String(data),
  acknowledged: (data) => {
    if (data === "throw") throw new Error("no");
    if (data === "none") return undefined;
    // As a program without types may do.
    if (data === "null") return JSON.parse("null");
    return String(data).includes(",") ? String(data).split(",") : String(data);
  },
};

Deno.test("unflushed: what the network has is settled, the rest goes back in order", () => {
  const link = new Links("unflushed", "a", "b", "c");
  link.sink.drain(1);
  link.delivery.detach(false);
  assertEquals(link.log, ["settled a", "returned b,c"]);
});

Deno.test("unflushed: when the peer has answered our close all is settled", () => {
  const link = new Links("unflushed", "a", "b");
  link.delivery.pause();
  link.sink.isOpen = false;
  link.delivery.detach(true);
  assertEquals(link.log, ["settled a", "settled b"]);
});

Deno.test("unflushed: once the socket is not open the last look counts", () => {
  const link = new Links("unflushed", "a", "b", "c");
  link.sink.drain(1);
  link.waits.pass();
  link.sink.drain(1);
  link.sink.isOpen = false;
  link.delivery.detach(false);
  assertEquals(link.log, ["settled a", "returned b,c"]);
});

Deno.test("none: nothing goes back", () => {
  const link = new Links("none", "a", "b", "c");
  link.sink.drain(1);
  link.delivery.detach(false);
  assertEquals(link.log, ["settled a", "lost b", "lost c"]);
  const closed = new Links("none", "a");
  closed.delivery.detach(true);
  assertEquals(closed.log, ["settled a"]);
});

Deno.test("acknowledged: flushed is not enough, nor is an answered close", () => {
  const link = new Links(BY_TEXT, "a", "b", "c");
  link.sink.drain();
  link.waits.pass();
  link.delivery.acknowledge("b");
  link.delivery.detach(true);
  assertEquals(link.log, ["settled b", "returned a,c"]);
});

Deno.test("acknowledged: one message may acknowledge many, or none", () => {
  const link = new Links(BY_TEXT, "a", "b", "c");
  link.delivery.acknowledge("none");
  link.delivery.acknowledge("a,b,x");
  assertEquals(link.log, ["settled a", "settled b"]);
});

Deno.test("acknowledged: a callback that throws is reported, and acknowledges nothing", () => {
  const link = new Links(BY_TEXT, "a");
  link.delivery.acknowledge("throw");
  link.delivery.acknowledge("null");
  assertEquals(link.log, ["CALLBACK", "CALLBACK"]);
});

Deno.test("acknowledged: an acknowledgement makes room in the window", () => {
  const link = new Links({ ...BY_TEXT, window: 2 }, "a", "b", "c", "d");
  assertEquals(link.sink.texts, ["a", "b"]);
  link.delivery.acknowledge("a");
  assertEquals(link.sink.texts, ["a", "b", "c"]);
});

Deno.test("an acknowledgement that nobody waits for is nothing", () => {
  const link = new Links("unflushed", "a");
  link.delivery.acknowledge("a");
  assertEquals(link.log, []);
});

Deno.test("what is handed over once more is counted as such, and as sent", () => {
  const link = new Links("unflushed", "aa", "b");
  const { delivery } = link;
  delivery.detach(false);
  link.queue.push(...link.returned);
  delivery.attach(new FakeSink());
  assertEquals(
    [delivery.messagesSent, delivery.bytesSent, delivery.redelivered],
    [4, 6, 2],
  );
});

Deno.test("a new link takes what the old one still had", () => {
  const link = new Links("unflushed", "a");
  link.delivery.attach(new FakeSink());
  assertEquals(link.log, ["returned a"]);
});

Deno.test("what is urgent is nobody's message", () => {
  const link = new Links("unflushed", "a");
  assertEquals(link.delivery.sendUrgent("!"), true);
  link.delivery.detach(false);
  assertEquals(link.log, ["returned a"]);
  assertEquals(link.delivery.messagesSent, 1);
  assertEquals(link.delivery.sendUrgent("!"), false);
});

Deno.test("the short way is settled, goes back and is counted as the long one", () => {
  const link = new Links("unflushed");
  for (const text of ["a", "b", "c"]) link.express.accept(text);
  link.delivery.run();
  assertEquals(link.sink.texts, ["a", "b", "c"]);
  assertEquals([link.delivery.messagesSent, link.delivery.bytesSent], [3, 3]);
  link.delivery.sendUrgent("!!");
  link.sink.drain(1);
  link.waits.pass();
  assertEquals(link.express.count, 2);
  link.express.accept("d");
  link.delivery.detach(false);
  assertEquals(link.log, ["returned b,c"]);
  assertEquals(link.queue.map(({ data }) => data), ["d"]);
});

Deno.test("who gets in by the short way while the long one is emptied goes out at once", () => {
  const link = new Links("unflushed");
  // As when what has expired is dropped, and makes room for who waits.
  link.onNext = () => link.express.accept("a");
  link.delivery.run();
  assertEquals([link.sink.texts, link.express.queuedCount], [["a"], 0]);
});

Deno.test("what is queued on the short way stays there when a link comes", () => {
  const link = new Links("unflushed");
  link.delivery.detach(false);
  link.express.accept("a");
  const sink = new FakeSink();
  link.delivery.attach(sink);
  assertEquals([sink.texts, link.express.count, link.log], [["a"], 1, []]);
});

/** A delivery with a first link, over which the texts have gone. */
class Links {
  readonly log: string[] = [];
  readonly queue: Entry[] = [];
  readonly waits = new ManualWaits();
  readonly sink = new FakeSink();
  readonly express = new Express({ isUsed: true, maxSize: 9, maxBytes: 99 });
  readonly delivery: Delivery;
  returned: Entry[] = [];
  /** Called once, instead of giving a message. */
  onNext: (() => void) | undefined;

  constructor(redeliver: Redelivery, ...texts: string[]) {
    this.delivery = new Delivery(redeliver, 1000, this.express, {
      leaveExpress: () => {
        const left = new EntryList();
        this.express.leave(1, this.delivery.ledger, left);
        this.queue.push(...left);
      },
      next: () => {
        const { onNext } = this;
        this.onNext = undefined;
        onNext?.();
        return onNext === undefined ? this.queue.shift() : undefined;
      },
      handedOver: () => {},
      ranOut: () => {},
      settled: ({ data }) => this.log.push(`settled ${data}`),
      lost: ({ data }) => this.log.push(`lost ${data}`),
      returned: (entries) => {
        this.returned = [];
        for (let e = entries.shift(); e; e = entries.shift()) {
          this.returned.push(e);
        }
        if (this.returned.length === 0) return;
        this.log.push(`returned ${this.returned.map(({ data }) => data)}`);
      },
      moved: () => {},
      onError: (error: WSError) => this.log.push(error.code),
    }, this.waits);
    texts.forEach((text, index) => {
      const entry = new Entry(text, text.length, { id: text });
      entry.order = index + 1;
      this.queue.push(entry);
    });
    this.delivery.attach(this.sink);
  }
}

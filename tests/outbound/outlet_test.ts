import { assertEquals, assertStrictEquals } from "@std/assert";
import { Outbound } from "../../src/outbound/outbound.ts";
import { Outlet } from "../../src/outbound/outlet.ts";
import { FakeSink, ManualWaits } from "../support/fake_sink.ts";

function newOutlet(): Outlet {
  return new Outlet(() =>
    new Outbound({
      sendQueueMaxSize: 10,
      sendQueueMaxBytes: 1000,
      overflow: "wait",
      redeliver: "unflushed",
    }, {
      onDrop: () => {},
      onError: (error) => {
        throw error;
      },
      mayWait: () => undefined,
      waits: new ManualWaits(),
    })
  );
}

Deno.test("links come and go without a way out, until something is sent", () => {
  const outlet = newOutlet();
  outlet.attach(new FakeSink());
  outlet.pause();
  outlet.detach(true);
  outlet.attach(new FakeSink());
  assertEquals(outlet.made, undefined);
  const { outbound } = outlet;
  assertStrictEquals(outlet.outbound, outbound);
  assertStrictEquals(outlet.made, outbound);
});

Deno.test("what is sent first goes to the link that is there", () => {
  const outlet = newOutlet();
  const sink = new FakeSink();
  outlet.attach(sink);
  outlet.outbound.send("a");
  assertEquals(sink.texts, ["a"]);
});

Deno.test("what is sent first waits for a link when there is none", () => {
  const outlet = newOutlet();
  outlet.attach(new FakeSink());
  outlet.detach(false);
  outlet.outbound.send("a");
  const sink = new FakeSink();
  outlet.attach(sink);
  assertEquals(sink.texts, ["a"]);
});

Deno.test("what is sent first waits for the next link when this one is paused", () => {
  const outlet = newOutlet();
  const closing = new FakeSink();
  outlet.attach(closing);
  outlet.pause();
  outlet.outbound.send("a");
  assertEquals(closing.texts, []);
  outlet.detach(true);
  const sink = new FakeSink();
  outlet.attach(sink);
  assertEquals(sink.texts, ["a"]);
});

Deno.test("links come and go as ever once there is a way out", () => {
  const outlet = newOutlet();
  const { outbound } = outlet;
  const first = new FakeSink();
  outlet.attach(first);
  outbound.send("a");
  outlet.pause();
  outbound.send("b");
  outlet.detach(false);
  const second = new FakeSink();
  outlet.attach(second);
  assertEquals([first.texts, second.texts], [["a"], ["a", "b"]]);
});

Deno.test("an urgent message needs no way out, only an open link", () => {
  const outlet = newOutlet();
  assertEquals(outlet.sendUrgent("nobody"), false);
  const sink = new FakeSink();
  outlet.attach(sink);
  assertEquals(outlet.sendUrgent("ping"), true);
  sink.isOpen = false;
  assertEquals(outlet.sendUrgent("too late"), false);
  assertEquals([sink.texts, outlet.made], [["ping"], undefined]);
});

Deno.test("an urgent message goes by the way out once there is one", () => {
  const outlet = newOutlet();
  const sink = new FakeSink();
  outlet.attach(sink);
  outlet.outbound.send("a");
  assertEquals(outlet.sendUrgent("ping"), true);
  outlet.detach(false);
  assertEquals(outlet.sendUrgent("nobody"), false);
  const next = new FakeSink();
  outlet.attach(next);
  // It is in the ledger, where it is no message to be sent again.
  assertEquals([sink.texts, next.texts], [["a", "ping"], ["a"]]);
});

import { assertEquals } from "@std/assert";
import { type DisconnectInfo, WSError } from "../../../mod.ts";
import { OutageWatch } from "../../../src/cli/run/outage_watch.ts";

const dropped = new WSError("dropped", {
  code: "CLOSED",
  severity: "transient",
  closeCode: 1006,
});

const drop: DisconnectInfo = {
  code: 1006,
  reason: "",
  wasClean: false,
  error: dropped,
  willRetry: true,
  connectedFor: 1000,
};

Deno.test("an outage that is still open at the end is a gap", () => {
  const watch = new OutageWatch();
  watch.closed(drop, 100);
  watch.retried();
  watch.retried();
  assertEquals(watch.end(350), {
    from: 100,
    to: 350,
    cause: dropped,
    attempts: 2,
  });
  assertEquals(watch.count, 1);
});

Deno.test("an outage that the client told of is told once", () => {
  const watch = new OutageWatch();
  watch.closed(drop, 100);
  watch.retried();
  watch.told({ from: 100, to: 200, cause: dropped, attempts: 1 });
  assertEquals(watch.end(300), undefined);
  assertEquals(watch.count, 1);
});

Deno.test("each outage is a gap of its own", () => {
  const watch = new OutageWatch();
  watch.closed(drop, 100);
  watch.retried();
  watch.told({ from: 100, to: 200, cause: dropped, attempts: 1 });
  watch.closed(drop, 300);
  watch.retried();
  assertEquals(watch.end(400), {
    from: 300,
    to: 400,
    cause: dropped,
    attempts: 1,
  });
  assertEquals(watch.count, 2);
});

Deno.test("what a slow reader missed is a gap, but ends no outage", () => {
  const watch = new OutageWatch();
  watch.told({ from: 1, to: 2, cause: dropped, attempts: 0, count: 3 });
  watch.closed(drop, 100);
  watch.told({ from: 1, to: 2, cause: dropped, attempts: 0, count: 3 });
  assertEquals(watch.end(200)?.from, 100);
  assertEquals(watch.count, 3);
});

Deno.test("a link that was given up on purpose leaves no gap", () => {
  const watch = new OutageWatch();
  watch.closed(
    { ...drop, code: 1000, error: undefined, willRetry: false },
    100,
  );
  assertEquals(watch.end(200), undefined);
  assertEquals(watch.count, 0);
});

Deno.test("a normal close by the server, after which we dial again, opens one", () => {
  const watch = new OutageWatch();
  watch.closed(
    { ...drop, code: 1001, reason: "bye", error: undefined },
    100,
  );
  const gap = watch.end(200);
  assertEquals(gap?.cause.code, "CLOSED");
  assertEquals(gap?.cause.severity, "transient");
  assertEquals(gap?.cause.closeCode, 1001);
  assertEquals(gap?.cause.reason, "bye");
  assertEquals(gap?.cause.message, "The server closed the connection (1001)");
});

Deno.test("an outage that ends the client is a gap too", () => {
  const watch = new OutageWatch();
  watch.closed({ ...drop, willRetry: false }, 100);
  assertEquals(watch.end(100), {
    from: 100,
    to: 100,
    cause: dropped,
    attempts: 0,
  });
});

Deno.test("no gap ends before it begins, even if the clock is set back", () => {
  const watch = new OutageWatch();
  watch.closed(drop, 100);
  assertEquals(watch.end(50)?.to, 100);
});

Deno.test("a retry before the first connection is no outage", () => {
  const watch = new OutageWatch();
  watch.retried();
  assertEquals(watch.end(100), undefined);
});

Deno.test("the end is told once", () => {
  const watch = new OutageWatch();
  watch.closed(drop, 100);
  watch.end(200);
  assertEquals(watch.end(300), undefined);
  assertEquals(watch.count, 1);
});

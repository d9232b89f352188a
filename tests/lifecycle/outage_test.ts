import { assertEquals } from "@std/assert";
import { WSError } from "../../src/errors.ts";
import { Outage } from "../../src/lifecycle/outage.ts";

const CAUSE = new WSError("dropped", { code: "CLOSED", severity: "transient" });

Deno.test("a gap lasts from the end of a connection to the next, and counts the attempts", () => {
  const outage = new Outage(CAUSE, 100);
  outage.attempt();
  outage.attempt();
  assertEquals(outage.end(250), {
    from: 100,
    to: 250,
    cause: CAUSE,
    attempts: 2,
  });
});

Deno.test("a clock that is set back makes no gap that ends before it begins", () => {
  const outage = new Outage(CAUSE, 100);
  outage.attempt();
  const gap = outage.end(40);
  assertEquals([gap.from, gap.to], [100, 100]);
});

import { assertEquals } from "@std/assert";
import { lostOf, verdictOn } from "../../../src/cli/demo/tally.ts";

Deno.test("lost is what one side said and the other does not have, both ways", () => {
  const rest = { reconnects: 0, downtime: 0 };
  const up = { sent: 10, received: 9, repeated: 3 };
  const down = { sent: 5, received: 3, repeated: 0 };
  assertEquals(lostOf({ up, down, ...rest }), 3);
  const whole = { sent: 2, received: 2, repeated: 9 };
  assertEquals(lostOf({ up: whole, down: whole, ...rest }), 0);
});

Deno.test("the verdict is 1 if anything was lost or a cut was not survived", () => {
  const whole = { sent: 2, received: 2, repeated: 0 };
  const holed = { sent: 2, received: 1, repeated: 1 };
  const tally = { up: whole, down: whole, reconnects: 5, downtime: 1 };
  assertEquals(verdictOn(tally, 5), 0);
  assertEquals(verdictOn({ ...tally, reconnects: 4 }, 5), 1);
  assertEquals(verdictOn({ ...tally, up: holed }, 5), 1);
  assertEquals(verdictOn({ ...tally, down: holed }, 5), 1);
});

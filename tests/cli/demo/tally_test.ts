import { assertEquals } from "@std/assert";
import { lostOf } from "../../../src/cli/demo/tally.ts";

Deno.test("lost is what one side said and the other does not have, both ways", () => {
  const rest = { reconnects: 0, downtime: 0 };
  const up = { sent: 10, received: 9, repeated: 3 };
  const down = { sent: 5, received: 3, repeated: 0 };
  assertEquals(lostOf({ up, down, ...rest }), 3);
  const whole = { sent: 2, received: 2, repeated: 9 };
  assertEquals(lostOf({ up: whole, down: whole, ...rest }), 0);
});

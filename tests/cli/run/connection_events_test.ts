import { assertEquals } from "@std/assert";
import { WSError } from "../../../mod.ts";
import { sentences } from "../../../src/cli/run/connection_events.ts";

Deno.test("with several connections the error of one hides and repeats that of no other", () => {
  const printed: string[] = [];
  const print = (line: string) => void printed.push(line);
  const events = sentences({
    isQuiet: false,
    good: print,
    trouble: print,
    detail: print,
    trace: print,
  });
  const failed = (host: string) =>
    new WSError(`No connection to ${host}`, {
      code: "CONNECT",
      severity: "transient",
    });
  const [one, two] = [{ url: "ws://one/" }, { url: "ws://two/" }];
  const [first, second] = [failed("one"), failed("two")];
  events.error(first, one);
  events.error(second, two);
  assertEquals(printed, []);
  events.retry({ attempt: 1, delay: 0, error: first }, one);
  assertEquals(printed, ["No connection to one; retry 1 follows at once"]);
  assertEquals(events.end(undefined), false);
  assertEquals(printed.slice(1), ["No connection to two"]);
});

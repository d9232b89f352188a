import { assertEquals } from "@std/assert";
import { type Session, WSError } from "../../../mod.ts";
import { sentences } from "../../../src/cli/run/connection_events.ts";

Deno.test("with several connections an end and a gap say whose they are", () => {
  const printed: string[] = [];
  const print = (line: string) => void printed.push(line);
  const ignore = () => {};
  const events = sentences({
    isQuiet: false,
    good: print,
    trouble: print,
    detail: print,
    trace: ignore,
  });
  const opened = (url: string): Session => ({
    url,
    protocol: "",
    cause: "start",
    reconnected: false,
    attempt: 0,
    response: undefined,
    send: ignore,
    receive: () => Promise.resolve(""),
    setHeartbeat: ignore,
  });
  const closed = {
    code: 1000,
    reason: "bye",
    wasClean: true,
    error: undefined,
    willRetry: false,
    connectedFor: 2000,
  };
  const [one, two] = [{ url: "ws://one/" }, { url: "ws://two/" }];
  events.open(opened(one.url), one);
  events.close(closed, one);
  assertEquals(printed.splice(0), [
    "connected to ws://one/",
    'closed with 1000 "bye" after 2.0 s',
  ]);
  events.open(opened(two.url), two);
  events.close(closed, one);
  const cause = new WSError("gone", { code: "CLOSED", severity: "transient" });
  events.gap({ from: 0, to: 500, attempts: 1, cause }, true, two);
  assertEquals(printed.slice(1), [
    'ws://one/: closed with 1000 "bye" after 2.0 s',
    "ws://two/: connected again after 500 ms: " +
    "messages of that time may be missing",
  ]);
});

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

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Failover } from "../../src/reconnect/failover.ts";

/** What happens to the current URL. */
interface Failure {
  readonly isFatal?: boolean;
  readonly isRefusal?: boolean;
  readonly notBefore?: number;
  readonly now?: number;
}

/** Fails, and starts the next round at once when this one is over. */
function fail(
  failover: Failover<string>,
  { isFatal = false, isRefusal = false, notBefore = 0, now = 0 }: Failure = {},
): string {
  const { current } = failover;
  const step = failover.failed(isFatal, isRefusal, notBefore, now);
  if (step === "round") failover.startRound(now);
  return `${current}: ${step}`;
}

/** Fails (`.`), fails fatally (`!`), or was stable (`*`), in turn. */
function play(failover: Failover<string>, script: string): string[] {
  return [...script].flatMap((what) => {
    if (what !== "*") return [fail(failover, { isFatal: what === "!" })];
    failover.use();
    failover.stable();
    return [];
  });
}

Deno.test("one URL alone is a round by itself", () => {
  const failover = new Failover(["a"]);
  assertEquals(play(failover, ".."), ["a: round", "a: round"]);
  assertEquals(failover.current, "a");
});

Deno.test("after a failure the next URL is due at once, after a round the backoff", () => {
  const failover = new Failover(["a", "b", "c"]);
  assertEquals(
    play(failover, "...."),
    ["a: next", "b: next", "c: round", "a: next"],
  );
});

Deno.test("a fatal failure takes its URL out for good", () => {
  const failover = new Failover(["a", "b", "c"]);
  assertEquals(
    play(failover, ".!...."),
    ["a: next", "b: next", "c: round", "a: next", "c: round", "a: next"],
  );
});

Deno.test("when all are out none is left", () => {
  const failover = new Failover(["a", "b"]);
  assertEquals(play(failover, ".!!"), ["a: next", "b: round", "a: none left"]);
});

Deno.test("the URL that was stable last is tried first from then on", () => {
  const failover = new Failover(["a", "b", "c"]);
  play(failover, ".*");
  assertEquals(failover.current, "b");
  assertEquals(
    play(failover, "...."),
    ["b: next", "a: next", "c: round", "b: next"],
  );
  play(failover, ".*");
  assertEquals(failover.current, "c");
  assertEquals(
    play(failover, "..."),
    ["c: next", "a: next", "b: round"],
  );
});

Deno.test("a stable URL that fails fatally is out, and another is due at once", () => {
  const failover = new Failover(["a", "b", "c"]);
  assertEquals(play(failover, ".*!"), ["a: next", "b: next"]);
  assertEquals(play(failover, "..."), ["a: next", "c: round", "a: next"]);
});

Deno.test("attempts to replace a connection do not change whose end it is", () => {
  const failover = new Failover(["a", "b", "c"]);
  failover.use();
  assertEquals(play(failover, "."), ["a: next"]);
  assertEquals(failover.current, "b");
  // The connection to "a" ends fatally.
  failover.resume();
  assertEquals(play(failover, "!..."), [
    "a: next",
    "b: next",
    "c: round",
    "b: next",
  ]);
  // The last connection was to "a", which is out.
  failover.resume();
  assertEquals(failover.current, "c");
});

Deno.test("a URL that was stable comes first, though another is being dialled", () => {
  const failover = new Failover(["a", "b", "c"]);
  failover.use();
  play(failover, ".");
  failover.stable();
  assertEquals(
    play(failover, "...."),
    ["b: next", "a: next", "c: round", "a: next"],
  );
});

Deno.test("a URL that asked to wait is left out of the rounds until then", () => {
  const failover = new Failover(["a", "b"]);
  assertEquals(fail(failover, { notBefore: 100 }), "a: next");
  assertEquals(fail(failover), "b: round");
  assertEquals(failover.current, "b");
  assertEquals(fail(failover, { now: 99 }), "b: round");
  assertEquals(failover.current, "b");
  assertEquals(fail(failover, { now: 100 }), "b: round");
  assertEquals(failover.current, "a");
});

Deno.test("a URL that has to wait is left out after a stable connection, too", () => {
  const failover = new Failover(["a", "b", "c"]);
  fail(failover);
  fail(failover, { notBefore: 100 });
  failover.use();
  failover.stable();
  assertEquals(play(failover, ".."), ["c: next", "a: round"]);
  assertEquals(failover.current, "c");
});

Deno.test("when all asked to wait the one that may be dialled first is next", () => {
  const failover = new Failover(["a", "b", "c"]);
  fail(failover, { notBefore: 300 });
  fail(failover, { notBefore: 100 });
  fail(failover, { notBefore: 200 });
  assertEquals([failover.current, failover.notBefore], ["b", 100]);
  // A later failure asks for less.
  fail(failover, { now: 150 });
  assertEquals([failover.current, failover.notBefore], ["b", 0]);
});

Deno.test("an accepted handshake forgets waits and refusals of its URL alone", () => {
  const failover = new Failover(["a", "b"]);
  fail(failover, { isRefusal: true });
  fail(failover, { isRefusal: true, notBefore: 50 });
  assertEquals([failover.current, failover.refusals], ["a", 1]);
  failover.opened();
  assertEquals(failover.refusals, 0);
  // "b" is due again by now, and has kept its refusal.
  fail(failover, { now: 60 });
  fail(failover, { now: 60 });
  assertEquals([failover.current, failover.refusals], ["b", 1]);
});

Deno.test("only refusals in a row count", () => {
  const failover = new Failover(["a"]);
  fail(failover, { isRefusal: true });
  fail(failover, { isRefusal: true });
  assertEquals(failover.refusals, 2);
  fail(failover);
  assertEquals(failover.refusals, 0);
  fail(failover, { isRefusal: true });
  assertEquals(failover.refusals, 1);
});

Deno.test("each round tries every URL that is left exactly once", () => {
  const seed = Date.now() >>> 0;
  console.log(`seed ${seed}`);
  const names = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 6 });
  const script = fc.array(fc.constantFrom("fail", "fatal"), { maxLength: 40 });
  fc.assert(
    fc.property(names, script, (names, script) => {
      const failover = new Failover(names);
      const left = new Set(names);
      let round: string[] = [];
      for (const what of script) {
        const { current } = failover;
        assert(left.has(current) && !round.includes(current));
        round.push(current);
        const step = failover.failed(what === "fatal", false, 0, 0);
        if (what === "fatal") left.delete(current);
        assertEquals(step === "none left", left.size === 0);
        if (step === "none left") return;
        const untried = [...left].filter((name) => !round.includes(name));
        assertEquals(step === "next", untried.length > 0);
        if (step === "round") {
          failover.startRound(0);
          round = [];
        }
      }
    }),
    { seed },
  );
});

Deno.test("no URL is dialled before its server allows it while another may be", () => {
  const seed = Date.now() >>> 0;
  console.log(`seed ${seed}`);
  const failures = fc.array(
    fc.record({
      ask: fc.constantFrom(0, 0, 10, 100),
      wait: fc.nat(20),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(failures, (failures) => {
      const failover = new Failover(["a", "b", "c"]);
      const notBefore = new Map([["a", 0], ["b", 0], ["c", 0]]);
      let now = 0;
      for (const { ask, wait } of failures) {
        const { current } = failover;
        const asked = notBefore.get(current) ?? 0;
        if (asked > now) {
          // Only when nobody else may be dialled, and then the earliest.
          assertEquals(asked, Math.min(...notBefore.values()));
          now = asked;
        }
        notBefore.set(current, now + ask);
        if (failover.failed(false, false, now + ask, now) === "round") {
          now += wait;
          failover.startRound(now);
        }
      }
    }),
    { seed },
  );
});

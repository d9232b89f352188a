import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Endpoints } from "../../src/lifecycle/endpoint.ts";

/**
 * Fails (`.`), fails fatally (`!`), was stable and fell (`*`), was stable and
 * fell fatally (`x`), or was stable and was given up (`~`), in turn.
 */
function play(endpoints: Endpoints<string>, script: string): string[] {
  return [...script].map((what) => {
    const { current } = endpoints;
    if (!".!".includes(what)) endpoints.stable();
    if (what === "~") return `${current}: again`;
    return "*x".includes(what)
      ? `${current}: ${endpoints.fell(what === "x")}`
      : `${current}: ${endpoints.failed(what === "!")}`;
  });
}

Deno.test("one URL alone is a round by itself", () => {
  const endpoints = new Endpoints(["a"]);
  assertEquals(play(endpoints, ".."), ["a: round", "a: round"]);
  assertEquals(endpoints.current, "a");
});

Deno.test("after a failure the next one is due at once, after a round the backoff", () => {
  const endpoints = new Endpoints(["a", "b", "c"]);
  assertEquals(
    play(endpoints, "...."),
    ["a: next", "b: next", "c: round", "a: next"],
  );
});

Deno.test("a fatal failure takes its URL out for good", () => {
  const endpoints = new Endpoints(["a", "b", "c"]);
  assertEquals(
    play(endpoints, ".!...."),
    ["a: next", "b: next", "c: round", "a: next", "c: round", "a: next"],
  );
});

Deno.test("when all are out none is left", () => {
  const endpoints = new Endpoints(["a", "b"]);
  assertEquals(play(endpoints, ".!!"), ["a: next", "b: round", "a: none left"]);
  assertThrows(() => endpoints.current, Error, "no URL is left");
});

Deno.test("a URL that was stable is tried first from then on, after the backoff", () => {
  const endpoints = new Endpoints(["a", "b", "c"]);
  assertEquals(play(endpoints, ".*"), ["a: next", "b: round"]);
  assertEquals(
    play(endpoints, "...."),
    ["b: next", "a: next", "c: round", "b: next"],
  );
});

Deno.test("the one that was stable last comes first", () => {
  const endpoints = new Endpoints(["a", "b", "c"]);
  play(endpoints, ".*..*");
  assertEquals(endpoints.current, "c");
  assertEquals(play(endpoints, "..."), ["c: next", "a: next", "b: round"]);
});

Deno.test("a stable URL that fails fatally is out, and another is due at once", () => {
  const endpoints = new Endpoints(["a", "b", "c"]);
  assertEquals(play(endpoints, ".x"), ["a: next", "b: next"]);
  assertEquals(play(endpoints, "..."), ["a: next", "c: round", "a: next"]);
});

Deno.test("being stable counts for one connection only", () => {
  const endpoints = new Endpoints(["a", "b"]);
  assertEquals(play(endpoints, "*."), ["a: round", "a: next"]);
});

Deno.test("when a stable connection was given up and its URL fails, the next is due at once", () => {
  const endpoints = new Endpoints(["a", "b", "c"]);
  assertEquals(
    play(endpoints, ".~..."),
    ["a: next", "b: again", "b: next", "a: next", "c: round"],
  );
});

Deno.test("the same URL twice is two entries", () => {
  const twin = () => new URL("ws://h/");
  const endpoints = new Endpoints([twin(), twin()]);
  assertEquals(endpoints.failed(true), "next");
  assertEquals(endpoints.failed(true), "none left");
});

Deno.test("each round tries every URL that is left exactly once", () => {
  const seed = Date.now() >>> 0;
  console.log(`seed ${seed}`);
  const names = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 6 });
  const script = fc.array(fc.constantFrom("fail", "fatal"), { maxLength: 40 });
  fc.assert(
    fc.property(names, script, (names, script) => {
      const endpoints = new Endpoints(names);
      const left = new Set(names);
      let round: string[] = [];
      for (const what of script) {
        const { current } = endpoints;
        assert(left.has(current) && !round.includes(current));
        round.push(current);
        const step = endpoints.failed(what === "fatal");
        if (what === "fatal") left.delete(current);
        assertEquals(step === "none left", left.size === 0);
        if (step === "none left") return;
        const untried = [...left].filter((name) => !round.includes(name));
        assertEquals(step === "next", untried.length > 0);
        if (step === "round") round = [];
      }
    }),
    { seed },
  );
});

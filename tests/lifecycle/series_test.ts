import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertLessOrEqual,
  assertStrictEquals,
} from "@std/assert";
import fc from "fast-check";
import { WSError, type WSErrorOptions } from "../../src/errors.ts";
import { Endpoints } from "../../src/lifecycle/endpoint.ts";
import {
  isQuiet,
  type Next,
  Series,
  type SeriesConfig,
} from "../../src/lifecycle/series.ts";
import type { Endpoint } from "../../src/resolve_config.ts";

const CONFIG: SeriesConfig = {
  reconnect: true,
  initialBackoff: 500,
  maxBackoff: 30_000,
  backoffMultiplier: 2,
  jitter: 0,
  stableAfter: 5_000,
  maxRetries: Infinity,
  retryBudget: Infinity,
};

const HOUR = 3_600_000;
const [A, B, C] = ["ws://a/", "ws://b/", "ws://c/"] as const;

function wsError(options: Partial<WSErrorOptions> = {}): WSError {
  return new WSError("refused", {
    code: "CONNECT",
    severity: "transient",
    ...options,
  });
}

const REFUSED = wsError();
const FATAL = wsError({ code: "HTTP_STATUS", severity: "fatal", status: 401 });

function closed(
  closeCode: number,
  severity: WSError["severity"] = "transient",
) {
  return wsError({ code: "CLOSED", closeCode, severity });
}

/** A series with a clock to set by hand. */
class Bench {
  now = 1_000;
  readonly endpoints: Endpoints<Endpoint>;
  readonly series: Series;

  constructor(
    config: Partial<SeriesConfig> = {},
    list: readonly Endpoint[] = [A],
    chance = () => 0,
  ) {
    this.endpoints = new Endpoints(list);
    this.series = new Series(
      { ...CONFIG, ...config },
      this.endpoints,
      chance,
    );
    this.series.begin(this.now);
  }

  /** An attempt that fails `after` milliseconds. */
  fail(error = REFUSED, after = 0): Next {
    this.now += after;
    return this.series.failed(error, this.now);
  }

  /** A connection that ends because of `error`. */
  fall(held: number | undefined, error = closed(1006)): Next {
    this.now += held ?? 0;
    this.series.held(held, this.now);
    return this.series.fell(error, held, this.now);
  }

  /** As {@linkcode fail}, and the wait that follows, if there is one. */
  wait(error = REFUSED): number | "end" {
    const next = this.fail(error);
    if (next.kind === "end") return "end";
    this.now += next.delay;
    return next.delay;
  }

  waits(count: number, error = REFUSED): (number | "end")[] {
    return Array.from({ length: count }, () => this.wait(error));
  }
}

function endOf(next: Next): WSError | undefined {
  assert(next.kind === "end", `expected the end, got ${next.kind}`);
  return next.error;
}

function retryOf(next: Next): Extract<Next, { kind: "retry" }> {
  assert(next.kind === "retry", `expected a retry, got ${next.kind}`);
  return next;
}

// How long -------------------------------------------------------------------

Deno.test("waits grow by the multiplier up to the cap", () => {
  assertEquals(
    new Bench().waits(9),
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
  assertEquals(
    new Bench({ backoffMultiplier: 1, initialBackoff: 7 }).waits(3),
    [7, 7, 7],
  );
});

Deno.test("a wait never overflows, however many failures there were", () => {
  const waits = new Bench({ backoffMultiplier: 1e300 }).waits(2_000);
  assertEquals(new Set(waits), new Set([500, 30_000]));
});

Deno.test("retries are numbered from 1, and carry the error", () => {
  const bench = new Bench();
  assertEquals(bench.series.attempt, 0);
  const first = retryOf(bench.fail());
  assertEquals([first.attempt, bench.series.attempt], [1, 1]);
  assertStrictEquals(first.error, REFUSED);
  assertEquals(retryOf(bench.fail()).attempt, 2);
});

// How often ------------------------------------------------------------------

for (const maxRetries of [0, 1, 2, 7]) {
  Deno.test(`with maxRetries ${maxRetries} there are so many attempts after the first`, () => {
    const bench = new Bench({ maxRetries });
    const waits = bench.waits(maxRetries);
    assertEquals(waits.includes("end"), false);
    const error = endOf(bench.fail());
    assertInstanceOf(error, WSError);
    assertEquals(error.code, "RETRIES_EXHAUSTED");
    assertEquals(error.severity, "fatal");
    assertStrictEquals(error.cause, REFUSED);
    assertEquals(
      error.message,
      `Gave up as ${
        maxRetries === 0 ? "1 attempt" : `${maxRetries + 1} attempts in a row`
      } failed; ` +
        "the last error: refused",
    );
  });
}

Deno.test("maxRetries counts attempts, not rounds, with several endpoints", () => {
  const bench = new Bench({ maxRetries: 3 }, [A, B]);
  assertEquals(bench.waits(4), [0, 500, 0, "end"]);
});

Deno.test("a stable connection that falls has all retries before it", () => {
  const bench = new Bench({ maxRetries: 1 });
  bench.fail();
  assertEquals(retryOf(bench.fall(5_000)).attempt, 1);
  assertEquals(retryOf(bench.fail()).attempt, 2);
  assertEquals(endOf(bench.fail())?.code, "RETRIES_EXHAUSTED");
});

Deno.test("with maxRetries 0 a stable connection that falls is dialled once more", () => {
  const bench = new Bench({ maxRetries: 0 });
  retryOf(bench.fall(5_000));
  assertEquals(endOf(bench.fail())?.code, "RETRIES_EXHAUSTED");
});

// For how long ---------------------------------------------------------------

Deno.test("the retry budget begins with the first attempt", () => {
  const bench = new Bench({ retryBudget: 1_000 });
  bench.now += 60_000;
  bench.series.begin(bench.now);
  assertEquals(bench.series.budgetLeft(bench.now), 1_000);
  retryOf(bench.fail());
});

Deno.test("no wait goes past the retry budget", () => {
  const bench = new Bench({ retryBudget: 3_600 });
  assertEquals(bench.waits(3), [500, 1000, 2000]);
  const error = endOf(bench.fail());
  assertEquals(error?.code, "RETRIES_EXHAUSTED");
  assertEquals(
    error?.message,
    "Gave up as the retry budget of 3600 ms is spent; the last error: refused",
  );
  assertStrictEquals(error?.cause, REFUSED);
});

Deno.test("attempts that take long use up the retry budget too", () => {
  const bench = new Bench({ retryBudget: 20_000 });
  retryOf(bench.fail(REFUSED, 10_000));
  endOf(bench.fail(REFUSED, 10_000));
});

Deno.test("a connection that is not stable does not stop the retry budget", () => {
  const bench = new Bench({ retryBudget: 10_000 });
  retryOf(bench.fall(4_000));
  retryOf(bench.fall(4_000));
  assertEquals(endOf(bench.fall(4_000))?.code, "RETRIES_EXHAUSTED");
});

Deno.test("a stable connection gives the whole retry budget back", () => {
  const bench = new Bench({ retryBudget: 5_000 });
  retryOf(bench.fail(REFUSED, 4_000));
  retryOf(bench.fall(60_000));
  assertEquals(bench.series.budgetLeft(bench.now), 5_000);
  retryOf(bench.fail(REFUSED, 3_000));
  assertEquals(bench.series.budgetLeft(bench.now), 2_000);
  endOf(bench.fail(REFUSED, 2_000));
  assertEquals(bench.series.budgetLeft(bench.now + 1), 0);
});

// Failover -------------------------------------------------------------------

Deno.test("the next endpoint is tried at once, the backoff comes after each round", () => {
  const bench = new Bench({}, [A, B, C]);
  const seen: (readonly [unknown, unknown])[] = [];
  for (let i = 0; i < 7; i++) {
    seen.push([bench.wait(), bench.endpoints.current]);
  }
  assertEquals(seen, [
    [0, B],
    [0, C],
    [500, A],
    [0, B],
    [0, C],
    [1000, A],
    [0, B],
  ]);
});

Deno.test("a fatal error takes its endpoint out, and ends the client with the last", () => {
  const bench = new Bench({}, [A, B, C]);
  assertEquals([bench.wait(FATAL), bench.endpoints.current], [0, B]);
  assertEquals([bench.wait(), bench.endpoints.current], [0, C]);
  assertEquals([bench.wait(FATAL), bench.endpoints.current], [500, B]);
  assertEquals([bench.wait(), bench.endpoints.current], [1000, B]);
  assertStrictEquals(endOf(bench.fail(FATAL)), FATAL);
});

Deno.test("a fatal error ends a client with one endpoint at once", () => {
  assertStrictEquals(endOf(new Bench().fail(FATAL)), FATAL);
  assertStrictEquals(
    endOf(new Bench().fall(60_000, closed(4001, "fatal")))?.closeCode,
    4001,
  );
});

Deno.test("after a stable connection the same endpoint is first, after the backoff", () => {
  const bench = new Bench({}, [A, B, C]);
  assertEquals([bench.wait(), bench.endpoints.current], [0, B]);
  assertEquals(retryOf(bench.fall(5_000)).delay, 500);
  assertEquals(bench.endpoints.current, B);
  assertEquals([bench.wait(), bench.endpoints.current], [0, A]);
  assertEquals([bench.wait(), bench.endpoints.current], [0, C]);
  assertEquals([bench.wait(), bench.endpoints.current], [1000, B]);
});

// Stable ---------------------------------------------------------------------

Deno.test("a connection that held for stableAfter begins a new series", () => {
  const bench = new Bench();
  bench.waits(5);
  const next = retryOf(bench.fall(5_000));
  assertEquals([next.attempt, next.delay], [1, 500]);
});

Deno.test("a connection that held a little less is one more failure", () => {
  const bench = new Bench();
  bench.waits(5);
  const next = retryOf(bench.fall(4_999.9));
  assertEquals([next.attempt, next.delay], [6, 16_000]);
});

Deno.test("the first wait after a stable connection is not zero", () => {
  for (const chance of [0, 0.5, 1 - 2 ** -53]) {
    const bench = new Bench({ jitter: 1 }, [A], () => chance);
    assertGreater(retryOf(bench.fall(60_000)).delay, 0);
  }
});

Deno.test("a server that accepts and closes at once never resets the backoff", () => {
  const falls = fc.array(fc.double({ min: 0, max: 4_999, noNaN: true }));
  fc.assert(fc.property(falls, (falls) => {
    const bench = new Bench();
    let last = 0;
    falls.forEach((held, index) => {
      const next = retryOf(bench.fall(held, closed(1000)));
      assertEquals(next.attempt, index + 1);
      assertGreaterOrEqual(next.delay, Math.min(30_000, last * 2));
      last = next.delay;
    });
  }));
});

Deno.test("with stableAfter 0 every connection is stable whose gate has passed", () => {
  const bench = new Bench({ stableAfter: 0 });
  bench.waits(3);
  assertEquals(retryOf(bench.fall(undefined)).attempt, 4);
  assertEquals(retryOf(bench.fall(0)).attempt, 1);
});

// Without reconnect ----------------------------------------------------------

Deno.test("without reconnect the first error is the end, itself", () => {
  for (const error of [REFUSED, FATAL]) {
    const bench = new Bench({ reconnect: false }, [A, B]);
    assertStrictEquals(endOf(bench.fail(error)), error);
  }
});

Deno.test("without reconnect a close with 1000 or 1001 is an end without error", () => {
  for (const held of [0, 60_000]) {
    for (const code of [1000, 1001]) {
      const bench = new Bench({ reconnect: false });
      assertEquals(endOf(bench.fall(held, closed(code))), undefined);
    }
    for (const code of [1005, 1006, 1011, 4000]) {
      const bench = new Bench({ reconnect: false });
      assertEquals(endOf(bench.fall(held, closed(code)))?.closeCode, code);
    }
    const bench = new Bench({ reconnect: false });
    const fatal = closed(1000, "fatal");
    assertStrictEquals(endOf(bench.fall(held, fatal)), fatal);
  }
});

Deno.test("only a transient close with 1000 or 1001 is quiet", () => {
  assertEquals(
    [1000, 1001, 1005, 1006, 1011].map((code) => isQuiet(closed(code))),
    [
      true,
      true,
      false,
      false,
      false,
    ],
  );
  assertEquals(isQuiet(closed(1000, "fatal")), false);
  assertEquals(isQuiet(wsError({ closeCode: 1000 })), false);
});

// Retry-After ----------------------------------------------------------------

function busy(retryAfter: number): WSError {
  return wsError({ code: "HTTP_STATUS", status: 503, retryAfter });
}

const RETRY_AFTER: readonly (readonly [
  retryAfter: number,
  chance: number,
  delay: number,
])[] = [
  [0, 0.5, 500],
  [100, 0, 500],
  [500, 0, 500],
  [10_000, 0, 10_000],
  [10_000, 0.5, 10_500],
  [120_000, 0, 120_000],
  [HOUR, 0.5, 1.05 * HOUR],
  [24 * HOUR, 0, HOUR],
];

for (const [retryAfter, chance, delay] of RETRY_AFTER) {
  Deno.test(`Retry-After ${retryAfter} ms with chance ${chance} is a wait of ${delay} ms`, () => {
    const bench = new Bench({}, [A], () => chance);
    assertEquals(bench.wait(busy(retryAfter)), delay);
  });
}

Deno.test("a Retry-After holds for its own endpoint alone", () => {
  const bench = new Bench({}, [A, B]);
  assertEquals([bench.wait(busy(60_000)), bench.endpoints.current], [0, B]);
  assertEquals([bench.wait(), bench.endpoints.current], [60_000, A]);
  assertEquals([bench.wait(), bench.endpoints.current], [0, B]);
});

Deno.test("what has passed of a Retry-After need not be waited for again", () => {
  const bench = new Bench({}, [A, B]);
  bench.fail(busy(60_000));
  const next = retryOf(bench.fail(REFUSED, 45_000));
  assertEquals(next.delay, 15_000);
});

Deno.test("a later failure without Retry-After is the server's newer word", () => {
  const bench = new Bench();
  assertEquals(bench.wait(busy(24 * HOUR)), HOUR);
  assertEquals(bench.wait(), 1_000);
});

Deno.test("a connection after all makes an old Retry-After void", () => {
  const bench = new Bench();
  assertEquals(bench.wait(busy(24 * HOUR)), HOUR);
  assertEquals(retryOf(bench.fall(60_000)).delay, 500);
});

Deno.test("a Retry-After beyond the retry budget is the end", () => {
  const bench = new Bench({ retryBudget: 60_000 });
  const error = endOf(bench.fail(busy(60_000)));
  assertEquals(error?.code, "RETRIES_EXHAUSTED");
});

// All together ---------------------------------------------------------------

const configs = fc.record({
  initialBackoff: fc.integer({ min: 1, max: 1_000 }),
  maxBackoff: fc.integer({ min: 1_000, max: 60_000 }),
  backoffMultiplier: fc.double({ min: 1, max: 10, noNaN: true }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  stableAfter: fc.nat(10_000),
  maxRetries: fc.oneof(fc.nat(10), fc.constant(Infinity)),
  retryBudget: fc.oneof(
    fc.integer({ min: 1, max: HOUR }),
    fc.constant(Infinity),
  ),
});

const events = fc.array(fc.record({
  held: fc.option(fc.nat(20_000), { nil: undefined }),
  retryAfter: fc.option(fc.nat(3 * HOUR), { nil: undefined }),
  fatal: fc.boolean(),
  chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
}));

Deno.test("whatever happens, waits, attempts and time stay within their bounds", () => {
  const urls = fc.subarray([A, B, C], { minLength: 1 });
  fc.assert(fc.property(configs, urls, events, (config, urls, events) => {
    let chance = 0;
    const bench = new Bench(config, urls, () => chance);
    let failures = 0;
    let since = bench.now;
    let left = urls.length;
    for (const { held, retryAfter, fatal, ...event } of events) {
      chance = event.chance;
      const severity = fatal ? "fatal" : "transient";
      const error = wsError({ severity, retryAfter });
      const next = held === undefined
        ? bench.fail(error, 10)
        : bench.fall(held, error);
      const wasStable = held !== undefined && held >= config.stableAfter;
      failures = wasStable ? 0 : failures + 1;
      if (wasStable) since = bench.now;
      if (fatal) left--;
      assertGreaterOrEqual(left, 0);
      if (next.kind === "end") {
        if (left === 0) return assertStrictEquals(next.error, error);
        return assertEquals(next.error?.code, "RETRIES_EXHAUSTED");
      }
      assertGreater(left, 0);
      assertLessOrEqual(failures, config.maxRetries);
      assertLessOrEqual(next.attempt, failures + 1);
      assertGreaterOrEqual(
        next.delay,
        left > 1 || fatal ? 0 : Number.MIN_VALUE,
      );
      assertLessOrEqual(
        next.delay,
        Math.max(config.maxBackoff, HOUR) * 1.1,
      );
      assertLessOrEqual(bench.now + next.delay - since, config.retryBudget);
      bench.now += next.delay;
    }
  }));
});

Deno.test("with one endpoint and no jitter no wait is ever zero", () => {
  fc.assert(fc.property(configs, events, (config, events) => {
    const bench = new Bench({ ...config, jitter: 0 });
    for (const { held, retryAfter } of events) {
      const error = wsError({ retryAfter });
      const next = held === undefined
        ? bench.fail(error)
        : bench.fall(held, error);
      if (next.kind === "end") return;
      assertGreaterOrEqual(next.delay, config.initialBackoff);
      bench.now += next.delay;
    }
  }));
});

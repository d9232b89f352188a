import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  backoff,
  type BackoffOptions,
  withRetryAfter,
} from "../../src/lifecycle/backoff.ts";

const DEFAULTS: BackoffOptions = {
  initialBackoff: 500,
  maxBackoff: 30_000,
  backoffMultiplier: 2,
  jitter: 1,
};

/** From 0 up to but not including 1, as Math.random() draws. */
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const round = fc.integer({ min: 0, max: 1_000_000 });
const options: fc.Arbitrary<BackoffOptions> = fc.record({
  initialBackoff: fc.double({ min: 0, max: 1e6, noNaN: true }),
  maxBackoff: fc.double({ min: 0, max: 1e9, noNaN: true }),
  backoffMultiplier: fc.double({ min: 1, max: 1e3, noNaN: true }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});

function property(check: fc.IRawProperty<unknown>): void {
  const seed = Date.now() >>> 0;
  console.log(`seed ${seed}`);
  fc.assert(check, { seed });
}

Deno.test("without jitter the delay grows by the multiplier up to the cap", () => {
  const fixed = { ...DEFAULTS, jitter: 0 };
  const delays = [0, 1, 2, 3, 4, 5, 6, 7, 8]
    .map((round) => backoff(fixed, round, 0.5));
  assertEquals(
    delays,
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
});

Deno.test("jitter is drawn after the cap: a long outage does not line everybody up", () => {
  const late = [0, 0.25, 0.5, 0.75].map((c) => backoff(DEFAULTS, 50, c));
  assertEquals(late, [30_000, 22_500, 15_000, 7_500]);
});

Deno.test("half the jitter leaves half the delay for sure", () => {
  const half = { ...DEFAULTS, jitter: 0.5 };
  assertEquals(backoff(half, 0, 0), 500);
  assertEquals(backoff(half, 0, 0.5), 375);
});

Deno.test("the first wait is spread, and never 0 for everybody", () => {
  assertEquals(backoff(DEFAULTS, 0, 0), 500);
  assertEquals(backoff(DEFAULTS, 0, 0.5), 250);
  assert(backoff(DEFAULTS, 0, 1 - Number.EPSILON) > 0);
});

Deno.test("a multiplier of 1 keeps the delay, and 0 stays 0", () => {
  assertEquals(backoff({ ...DEFAULTS, backoffMultiplier: 1 }, 9, 0), 500);
  assertEquals(backoff({ ...DEFAULTS, initialBackoff: 0 }, 1e6, 0), 0);
});

Deno.test("the first delay is capped as well", () => {
  assertEquals(backoff({ ...DEFAULTS, maxBackoff: 100 }, 0, 0), 100);
});

Deno.test("a delay is always within its bounds, a million rounds on", () => {
  property(fc.property(options, round, chance, (options, round, chance) => {
    const delay = backoff(options, round, chance);
    return delay >= 0 && delay <= options.maxBackoff;
  }));
});

Deno.test("with the same chance no later delay is shorter", () => {
  property(fc.property(options, round, chance, (options, round, chance) => {
    return backoff(options, round, chance) <=
      backoff(options, round + 1, chance);
  }));
});

Deno.test("jitter takes away at most its share", () => {
  property(fc.property(options, round, chance, (options, round, chance) => {
    const full = backoff({ ...options, jitter: 0 }, round, chance);
    const least = full * (1 - options.jitter);
    // The product is rounded: a hair's breadth below is the same number.
    return backoff(options, round, chance) >= least * (1 - 1e-12);
  }));
});

Deno.test("without Retry-After the wait is the backoff", () => {
  assertEquals(withRetryAfter(500, undefined, 0.9), 500);
});

Deno.test("Retry-After raises the wait, never lowers it", () => {
  assertEquals(withRetryAfter(500, 7_000, 0), 7_000);
  assertEquals(withRetryAfter(500, 100, 0), 500);
  assertEquals(withRetryAfter(500, 0, 0), 500);
});

Deno.test("Retry-After is spread by up to 10 %", () => {
  assertEquals(withRetryAfter(0, 1_000, 0.5), 1_050);
  assert(withRetryAfter(0, 1_000, 1 - Number.EPSILON) <= 1_100);
});

Deno.test("a Retry-After of a year counts as an hour", () => {
  assertEquals(withRetryAfter(500, 365 * 24 * 3_600_000, 0), 3_600_000);
});

Deno.test("a backoff of more than an hour is not cut by Retry-After", () => {
  assertEquals(withRetryAfter(7_200_000, 10_000_000, 0), 7_200_000);
});

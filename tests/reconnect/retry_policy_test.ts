/** What follows a failure: tables and properties, with time and chance given. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { WSError, type WSErrorOptions } from "../../src/errors.ts";
import {
  backoff,
  type BackoffOptions,
  type Next,
  type RetryConfig,
  RetryPolicy,
} from "../../src/reconnect/retry_policy.ts";

const HOUR = 3_600_000;

const DEFAULTS: RetryConfig = {
  endpoints: ["ws://a/"],
  reconnect: true,
  initialBackoff: 500,
  maxBackoff: 30_000,
  backoffMultiplier: 2,
  jitter: 0,
  stableAfter: 5_000,
  maxRetries: Infinity,
  retryBudget: Infinity,
};

function failure(options: Partial<WSErrorOptions> = {}): WSError {
  return new WSError("failed", {
    code: "CONNECT",
    severity: "transient",
    ...options,
  });
}

function closed(closeCode: number): WSError {
  return failure({ code: "CLOSED", closeCode });
}

const FATAL = failure({ code: "HANDSHAKE", severity: "fatal" });
const SLOW = failure({ code: "SLOW_CONSUMER" });

/** A policy at the moment 0. */
function policyFor(
  config: Partial<RetryConfig> = {},
  chance: () => number = () => 0,
): RetryPolicy {
  const policy = new RetryPolicy({ ...DEFAULTS, ...config }, chance);
  policy.start(0);
  return policy;
}

/** The wait, or the code of the end. */
function shown(next: Next): number | string {
  return next.kind === "retry" ? next.delay : next.error?.code ?? "no error";
}

/** Fails again and again at the moment 0. */
function fail(policy: RetryPolicy, times: number): (number | string)[] {
  return Array.from(
    { length: times },
    () => shown(policy.failed(failure(), 0)),
  );
}

// Backoff ----------------------------------------------------------------------------

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
  assertEquals(
    [0, 1, 2, 3, 4, 5, 6, 7, 8].map((round) => backoff(DEFAULTS, round, 0.5)),
    [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000],
  );
});

Deno.test("jitter is drawn after the cap: a long outage does not line everybody up", () => {
  const full = { ...DEFAULTS, jitter: 1 };
  assertEquals(
    [0, 0.25, 0.5, 0.75].map((chance) => backoff(full, 50, chance)),
    [30_000, 22_500, 15_000, 7_500],
  );
});

Deno.test("half the jitter leaves half the delay for certain", () => {
  const half = { ...DEFAULTS, jitter: 0.5 };
  assertEquals(backoff(half, 0, 0), 500);
  assertEquals(backoff(half, 0, 0.5), 375);
});

Deno.test("a multiplier of 1 keeps the delay, and 0 stays 0", () => {
  assertEquals(backoff({ ...DEFAULTS, backoffMultiplier: 1 }, 9, 0), 500);
  assertEquals(backoff({ ...DEFAULTS, initialBackoff: 0 }, 1e6, 0), 0);
});

Deno.test("a delay is always within its bounds, even after a million rounds", () => {
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
    // The product is rounded.
    return backoff(options, round, chance) >= least * (1 - 1e-12);
  }));
});

// Series ---------------------------------------------------------------------------

Deno.test("failed attempts wait longer and longer, and are numbered", () => {
  const policy = policyFor();
  const attempts: number[] = [];
  const delays = [1, 2, 3, 4].map(() => {
    const next = policy.failed(failure(), 0);
    if (next.kind === "retry") attempts.push(next.attempt);
    return shown(next);
  });
  assertEquals(delays, [500, 1_000, 2_000, 4_000]);
  assertEquals(attempts, [1, 2, 3, 4]);
  assertEquals([policy.attempt, policy.allowsRetry], [4, true]);
});

Deno.test("the next URL is dialled at once, and the backoff comes after each round", () => {
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  assertEquals(fail(policy, 6), [0, 500, 0, 1_000, 0, 2_000]);
});

Deno.test("a delay is a whole number of milliseconds", () => {
  const policy = policyFor({ jitter: 1 }, () => 0.123456);
  assertEquals(fail(policy, 2), [438, 877]);
});

Deno.test("a connection that held for stableAfter starts again with the first delay", () => {
  const policy = policyFor();
  assertEquals(fail(policy, 3), [500, 1_000, 2_000]);
  policy.opened();
  assertEquals(shown(policy.ended(closed(1006), 5_000, 9_000)), 500);
  assertEquals(policy.attempt, 1);
});

Deno.test("a shorter connection counts as a failed attempt, however it ended", () => {
  for (const error of [closed(1000), closed(1006), failure()]) {
    const policy = policyFor({ maxRetries: 3 });
    fail(policy, 2);
    policy.opened();
    assertEquals(shown(policy.ended(error, 4_999, 9_000)), 2_000);
    assertEquals(
      shown(policy.ended(error, 4_999, 9_000)),
      "RETRIES_EXHAUSTED",
    );
  }
});

Deno.test("the first reconnect after a stable connection is jittered, too", () => {
  const policy = policyFor({ jitter: 1 }, () => 0.5);
  assertEquals(shown(policy.ended(closed(1006), 6_000, 6_000)), 250);
  assertEquals(shown(policy.failed(failure(), 6_000)), 500);
});

Deno.test("a stable connection that the program drops starts again, too", () => {
  const policy = policyFor();
  fail(policy, 3);
  policy.dropped(4_999, 10_000, false);
  assertEquals(fail(policy, 1), [4_000]);
  policy.dropped(5_000, 20_000, false);
  assertEquals([policy.attempt, ...fail(policy, 1)], [0, 500]);
});

Deno.test("maxRetries is the number of retries in a row; 0 means one attempt", () => {
  for (const maxRetries of [0, 1, 3]) {
    const policy = policyFor({ maxRetries });
    const results = fail(policy, maxRetries + 1);
    assertEquals(results.indexOf("RETRIES_EXHAUSTED"), maxRetries);
    assertEquals(policy.allowsRetry, false);
  }
});

Deno.test("with several URLs each failed attempt counts for maxRetries", () => {
  const policy = policyFor({
    endpoints: ["ws://a/", "ws://b/"],
    maxRetries: 2,
  });
  assertEquals(fail(policy, 3), [0, 500, "RETRIES_EXHAUSTED"]);
});

Deno.test("the error at the end has the last one as its cause", () => {
  const policy = policyFor({ maxRetries: 0 });
  const last = failure({ url: "ws://a/?token=hush" });
  const next = policy.failed(last, 0);
  assert(next.kind === "end");
  assertStrictEquals(next.error?.cause, last);
  assertEquals([next.error.severity, next.error.url], [
    "fatal",
    "ws://a/?token=***",
  ]);
});

Deno.test("a fatal error ends the client when no other URL is left", () => {
  const alone = policyFor();
  const next = alone.failed(FATAL, 0);
  assert(next.kind === "end");
  assertStrictEquals(next.error, FATAL);
  const two = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  assertEquals(shown(two.failed(FATAL, 0)), 0);
  assertEquals(two.endpoint, "ws://b/");
  assertEquals(fail(two, 2), [500, 1_000]);
  assertEquals(shown(two.failed(FATAL, 0)), "HANDSHAKE");
});

Deno.test("a fatal end of a stable connection takes its URL out", () => {
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  const fatal = failure({ code: "CLOSED", severity: "fatal", closeCode: 4001 });
  assertEquals(shown(policy.ended(fatal, 6_000, 6_000)), 0);
  assertEquals(policy.endpoint, "ws://b/");
  assertEquals(shown(policy.ended(fatal, 6_000, 12_000)), "CLOSED");
});

Deno.test("a URL that was stable is tried first next time", () => {
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  fail(policy, 1);
  assertEquals(policy.endpoint, "ws://b/");
  policy.opened();
  policy.entered();
  assertEquals(shown(policy.ended(closed(1006), 5_000, 5_000)), 500);
  assertEquals(policy.endpoint, "ws://b/");
  assertEquals(shown(policy.failed(failure(), 5_000)), 0);
  assertEquals(policy.endpoint, "ws://a/");
});

Deno.test("after failed rotations a connection that ends counts for its own URL", () => {
  const urls = { endpoints: ["ws://a/", "ws://b/"] };
  const stable = policyFor(urls);
  stable.entered();
  stable.rotationFailed(failure(), 6_000);
  assertEquals(stable.endpoint, "ws://b/");
  stable.ended(closed(1006), 6_000, 6_000);
  assertEquals(stable.endpoint, "ws://a/");

  const fatal = failure({ code: "CLOSED", severity: "fatal", closeCode: 4001 });
  const policy = policyFor(urls);
  policy.entered();
  policy.rotationFailed(failure(), 6_000);
  assertEquals(shown(policy.ended(fatal, 6_000, 6_000)), 0);
  assertEquals(policy.endpoint, "ws://b/");
  assertEquals(shown(policy.failed(fatal, 6_000)), "CLOSED");
});

Deno.test("the attempt that takes over from a stable connection keeps its URL", () => {
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/", "ws://c/"] });
  policy.entered();
  policy.rotationFailed(failure(), 6_000);
  // "b" is being dialled when the connection to "a" ends.
  policy.dropped(6_000, 6_000, true);
  assertEquals(policy.endpoint, "ws://b/");
  assertEquals(shown(policy.failed(failure(), 6_000)), 0);
  assertEquals(policy.endpoint, "ws://a/");
  // Without an attempt in progress "a" is dialled first.
  const dropped = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  dropped.entered();
  dropped.rotationFailed(failure(), 6_000);
  dropped.dropped(6_000, 6_000, false);
  assertEquals(dropped.endpoint, "ws://a/");
});

// Without reconnect --------------------------------------------------------------------

Deno.test("without reconnect every failure is the end, with its own error", () => {
  const policy = policyFor({ reconnect: false });
  const error = failure();
  const next = policy.failed(error, 0);
  assert(next.kind === "end");
  assertStrictEquals(next.error, error);
});

Deno.test("without reconnect a normal close ends the client without an error", () => {
  for (
    const [code, expected] of [[1000, "no error"], [1001, "no error"], [
      1006,
      "CLOSED",
    ], [1011, "CLOSED"]] as const
  ) {
    const policy = policyFor({ reconnect: false });
    assertEquals(shown(policy.ended(closed(code), 6_000, 6_000)), expected);
  }
  const fatal = failure({ code: "CLOSED", severity: "fatal", closeCode: 1000 });
  const policy = policyFor({ reconnect: false });
  assertEquals(shown(policy.ended(fatal, 6_000, 6_000)), "CLOSED");
});

// Retry-After ---------------------------------------------------------------------------

function asked(seconds: number): WSError {
  return failure({
    code: "HTTP_STATUS",
    status: 503,
    retryAfter: seconds * 1_000,
  });
}

Deno.test("Retry-After raises the wait, never lowers it, and may exceed maxBackoff", () => {
  assertEquals(shown(policyFor().failed(asked(7), 0)), 7_000);
  assertEquals(shown(policyFor().failed(asked(0.1), 0)), 500);
  assertEquals(shown(policyFor().failed(asked(0), 0)), 500);
  assertEquals(shown(policyFor().failed(asked(120), 0)), 120_000);
});

Deno.test("Retry-After is spread by up to 10 %", () => {
  for (
    const [chance, wait] of [[0, 7_000], [0.5, 7_350], [0.99, 7_693]] as const
  ) {
    assertEquals(shown(policyFor({}, () => chance).failed(asked(7), 0)), wait);
  }
});

Deno.test("a Retry-After of a year counts as an hour", () => {
  assertEquals(shown(policyFor().failed(asked(365 * 24 * 3_600), 0)), HOUR);
});

Deno.test("Retry-After delays only the URL that sent it", () => {
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  assertEquals(shown(policy.failed(asked(60), 0)), 0);
  assertEquals(policy.endpoint, "ws://b/");
  // While "a" has to wait each round has one URL.
  assertEquals(shown(policy.failed(failure(), 0)), 500);
  assertEquals(policy.endpoint, "ws://b/");
  assertEquals(shown(policy.failed(failure(), 500)), 1_000);
  assertEquals(policy.endpoint, "ws://b/");
  // At 60 s it may be dialled again.
  assertEquals(shown(policy.failed(failure(), 59_000)), 2_000);
  assertEquals(policy.endpoint, "ws://a/");
});

Deno.test("when every URL asked to wait, the client waits for the first of them", () => {
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  policy.failed(asked(60), 0);
  assertEquals(shown(policy.failed(asked(20), 0)), 20_000);
  assertEquals(policy.endpoint, "ws://b/");
});

Deno.test("a failed rotation waits for Retry-After as well", () => {
  const policy = policyFor();
  assertEquals(policy.rotationFailed(failure(), 0), 500);
  assertEquals(policy.rotationFailed(failure(), 0), 1_000);
  assertEquals(policy.rotationFailed(asked(60), 0), 60_000);
});

Deno.test("a rotation leaves out a URL that has to wait", () => {
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  assertEquals(policy.rotationFailed(asked(60), 0), 500);
  const tried: unknown[] = [];
  for (const now of [1_000, 2_000, 3_000]) {
    tried.push(policy.endpoint);
    policy.rotationFailed(failure(), now);
  }
  assertEquals(tried, ["ws://b/", "ws://b/", "ws://b/"]);
});

Deno.test("a failed rotation waits, fatal or not, and with several URLs, too", () => {
  const policy = policyFor({
    endpoints: ["ws://a/", "ws://b/"],
    maxRetries: 0,
  });
  const tried: unknown[] = [];
  for (const wait of [500, 1_000, 2_000, 4_000]) {
    tried.push(policy.endpoint);
    assertEquals(policy.rotationFailed(FATAL, 0), wait);
  }
  assertEquals(tried, ["ws://a/", "ws://b/", "ws://a/", "ws://b/"]);
  assertEquals(policy.allowsRetry, true);
});

Deno.test("a rotation starts again with the first delay", () => {
  const policy = policyFor();
  policy.rotationFailed(failure(), 0);
  policy.rotationFailed(failure(), 0);
  policy.rotated(10_000);
  assertEquals(fail(policy, 1), [500]);
});

// Budget ------------------------------------------------------------------------------

Deno.test("the budget is the time without a stable connection", () => {
  const policy = policyFor({ retryBudget: 10_000 });
  assertEquals(policy.budgetLeft(4_000), 6_000);
  assertEquals(shown(policy.failed(failure(), 9_499)), 500);
  const other = policyFor({ retryBudget: 10_000 });
  assertEquals(shown(other.failed(failure(), 9_500)), "RETRIES_EXHAUSTED");
});

Deno.test("a short connection does not renew the budget, a stable one does", () => {
  const policy = policyFor({ retryBudget: 10_000 });
  policy.ended(closed(1006), 4_999, 6_000);
  assertEquals(policy.budgetLeft(6_000), 4_000);
  policy.ended(closed(1006), 5_000, 12_000);
  assertEquals(policy.budgetLeft(12_000), 10_000);
});

Deno.test("a dial to another URL needs budget, too", () => {
  const policy = policyFor({
    endpoints: ["ws://a/", "ws://b/"],
    retryBudget: 1_000,
  });
  assertEquals(shown(policy.failed(failure(), 999)), 0);
  assertEquals(shown(policy.failed(failure(), 1_000)), "RETRIES_EXHAUSTED");
});

// A slow reader --------------------------------------------------------------------------

Deno.test("a slow reader costs no retry, no budget and no failover", () => {
  const policy = policyFor({
    endpoints: ["ws://a/", "ws://b/"],
    maxRetries: 0,
    retryBudget: 10_000,
  });
  for (let drop = 0; drop < 20; drop++) {
    policy.opened();
    const next = policy.ended(SLOW, 10, 9_999);
    assertEquals([shown(next), policy.endpoint], [500, "ws://a/"]);
    if (next.kind === "retry") assertEquals(next.attempt, 1);
  }
  assertEquals(policy.allowsRetry, true);
  policy.waitedForReader(60_000);
  assertEquals(policy.budgetLeft(60_000), 10_000);
});

Deno.test("a slow reader that classify calls fatal ends the client", () => {
  const fatal = SLOW.withSeverity("fatal");
  assertEquals(shown(policyFor().ended(fatal, 10, 10)), "SLOW_CONSUMER");
});

// Refusals ------------------------------------------------------------------------------

Deno.test("refusals are counted for each URL by itself", () => {
  const refused = failure({ code: "HTTP_STATUS", status: 401 });
  const policy = policyFor({ endpoints: ["ws://a/", "ws://b/"] });
  const seen: (readonly [unknown, number])[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    seen.push([policy.endpoint, policy.refusals]);
    policy.failed(refused, 0);
  }
  assertEquals(seen, [
    ["ws://a/", 0],
    ["ws://b/", 0],
    ["ws://a/", 1],
    ["ws://b/", 1],
    ["ws://a/", 2],
    ["ws://b/", 2],
  ]);
});

Deno.test("an accepted handshake and any other failure end a row of refusals", () => {
  const refused = failure({ code: "HTTP_STATUS", status: 403 });
  const policy = policyFor();
  policy.failed(refused, 0);
  policy.failed(refused, 0);
  assertEquals(policy.refusals, 2);
  policy.opened();
  assertEquals(policy.refusals, 0);
  policy.failed(refused, 0);
  policy.failed(failure(), 0);
  assertEquals(policy.refusals, 0);
});

Deno.test("whatever happens, every wait is a whole number from 0 on and within its bounds", () => {
  const event = fc.record({
    what: fc.constantFrom("failed", "ended", "rotation", "slow"),
    retryAfter: fc.option(fc.nat(5_000), { nil: undefined }),
    openFor: fc.nat(10_000),
    passes: fc.nat(20_000),
  });
  property(fc.property(
    fc.array(event, { maxLength: 60 }),
    fc.infiniteStream(chance),
    (events, draws) => {
      const policy = policyFor(
        { endpoints: ["ws://a/", "ws://b/"], jitter: 1 },
        () => draws.next().value ?? 0,
      );
      let now = 0;
      for (const { what, retryAfter, openFor, passes } of events) {
        const error = failure({ retryAfter });
        const most = Math.max(30_000, 5_000 * 1.1) + 1;
        if (what === "rotation") {
          const wait = policy.rotationFailed(error, now);
          assert(wait >= 0 && wait <= most);
        } else {
          const next = what === "failed"
            ? policy.failed(error, now)
            : policy.ended(what === "slow" ? SLOW : error, openFor, now);
          assert(next.kind === "retry");
          assert(Number.isInteger(next.delay), String(next.delay));
          assert(next.delay >= 0 && next.delay <= most);
        }
        now += passes;
      }
    },
  ));
});

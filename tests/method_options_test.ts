import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  checkFlushLimit,
  checkHeartbeatTimes,
  checkSendOptions,
  checkStartOptions,
  resolveReadOptions,
  resolveReconnectOptions,
  resolveStopOptions,
  type StopOptions,
} from "../src/method_options.ts";
import { resolveConfig } from "../src/resolve_config.ts";

/** Options as a program without types could give them. */
function resolve(options: Record<string, unknown>) {
  return resolveStopOptions(options as StopOptions, 3_000);
}

Deno.test("without options it closes with 1000, and drains for the close timeout", () => {
  const defaults = { code: 1000, reason: "", drain: 3_000 };
  assertEquals(resolve({}), defaults);
  const absent = { code: undefined, reason: undefined, drain: undefined };
  assertEquals(resolve(absent), defaults);
});

Deno.test("given options are returned", () => {
  const given = { code: 4001, reason: "bye", drain: 0 };
  assertEquals(resolve(given), given);
});

Deno.test("a close code is 1000, or 3000 to 4999", () => {
  for (const code of [1000, 3000, 3999, 4000, 4999]) {
    assertEquals(resolve({ code }).code, code);
  }
  const refused = [0, -1, 999, 1001, 1005, 1006, 2999, 3000.5, 5000];
  for (const code of [...refused, NaN, Infinity]) {
    assertThrows(
      () => resolve({ code }),
      RangeError,
      "Cannot use 'code' as it must be 1000, or a whole number from 3000 to " +
        `4999: current value is ${code}`,
    );
  }
  for (const code of ["1000", null, 1000n]) {
    assertThrows(() => resolve({ code }), TypeError, "'code'");
  }
});

Deno.test("a reason is a string of at most 123 bytes, not characters", () => {
  for (const reason of ["", "a".repeat(123), "é".repeat(61), "€".repeat(41)]) {
    assertEquals(resolve({ reason }).reason, reason);
  }
  const tooLong: [reason: string, bytes: number][] = [
    ["a".repeat(124), 124],
    ["é".repeat(62), 124],
    ["€".repeat(42), 126],
    ["\ud800".repeat(42), 126],
  ];
  for (const [reason, bytes] of tooLong) {
    assertThrows(
      () => resolve({ reason }),
      RangeError,
      "Cannot use 'reason' as it must be at most 123 bytes: " +
        `current value is ${bytes} bytes`,
    );
  }
  for (const reason of [null, 5, {}]) {
    assertThrows(() => resolve({ reason }), TypeError, "'reason'");
  }
});

Deno.test("a drain is a number of milliseconds, from 0 on", () => {
  for (const drain of [0, 0.5, 60_000]) {
    assertEquals(resolve({ drain }).drain, drain);
  }
  for (const drain of [-1, 2 ** 31, NaN, Infinity]) {
    assertThrows(
      () => resolve({ drain }),
      RangeError,
      "Cannot use 'drain' as it must be a number of milliseconds from 0 to " +
        `2147483647: current value is ${drain}`,
    );
  }
  for (const drain of ["1s", null]) {
    assertThrows(() => resolve({ drain }), TypeError, "'drain'");
  }
});

Deno.test("unknown options and values that are not objects are refused", () => {
  assertThrows(() => resolve({ timeout: 1 }), TypeError, "'timeout' in stop()");
  for (const options of [null, 1000, "bye", []]) {
    assertThrows(
      () => resolveStopOptions(options as StopOptions, 0),
      TypeError,
      "Cannot use 'stop()' as it must be an object",
    );
  }
});

Deno.test("the checks accept exactly what a native socket accepts", async () => {
  const socket = new WebSocket("ws://127.0.0.1:9");
  const closed = new Promise((resolve) => socket.onclose = resolve);
  const codes = fc.oneof(
    fc.integer({ min: 900, max: 5100 }),
    fc.constantFrom(NaN, Infinity, -1, 0.5, 2 ** 32 + 1000),
  );
  const reasons = fc.array(fc.integer({ min: 0, max: 0x10ffff }))
    .map((points) => String.fromCodePoint(...points));
  fc.assert(fc.property(codes, reasons, (code, reason) => {
    const taken = (close: () => void) => {
      try {
        close();
        return true;
      } catch {
        return false;
      }
    };
    assertEquals(
      taken(() => resolve({ code, reason })),
      taken(() => socket.close(code, reason)),
    );
  }));
  await closed;
});

// The other methods ------------------------------------------------------------

interface OptionCase {
  readonly check: (options: Record<string, unknown>) => unknown;
  readonly name: string;
  readonly allowed: readonly Record<string, unknown>[];
  readonly wrongKinds: readonly Record<string, unknown>[];
  readonly outOfRange: readonly Record<string, unknown>[];
}

const NATIVE = resolveConfig({ url: "ws://h/" });
const TCP = resolveConfig({ url: "ws://h/", transport: "tcp" });
const { signal } = new AbortController();

const OPTION_CASES: readonly OptionCase[] = [
  {
    name: "start()",
    check: checkStartOptions,
    allowed: [{ signal }, { timeout: 1 }, { signal, timeout: 2 ** 31 - 1 }],
    wrongKinds: [{ signal: true }, { timeout: "1s" }, { url: "ws://h/" }],
    outOfRange: [{ timeout: 0 }, { timeout: Infinity }, { timeout: 2 ** 31 }],
  },
  {
    name: "reconnect()",
    check: resolveReconnectOptions,
    allowed: [{ graceful: true }, { code: 4000, reason: "bye" }],
    wrongKinds: [{ graceful: 1 }, { code: "1000" }, { reason: 5 }, { now: 1 }],
    outOfRange: [{ code: 1006 }, { reason: "a".repeat(124) }],
  },
  {
    name: "send()",
    check: checkSendOptions,
    allowed: [{ ttl: 0.5 }, { ttl: Infinity }, { key: "" }, { signal }],
    wrongKinds: [{ ttl: "1s" }, { key: 5 }, { signal: {} }, { tll: 1 }],
    outOfRange: [{ ttl: 0 }, { ttl: -1 }, { ttl: 2 ** 31 }, { ttl: NaN }],
  },
  {
    name: "messages()",
    check: (options) => resolveReadOptions(options, NATIVE),
    allowed: [
      { bufferMaxSize: 1, bufferMaxBytes: 1, overflow: "drop-newest", signal },
      { overflow: { conflate: () => 1 } },
    ],
    wrongKinds: [
      { bufferMaxSize: "1" },
      { overflow: "wait" },
      { overflow: "pause" },
      { overflow: { conflate: 1 } },
      { signal: {} },
      { size: 1 },
    ],
    outOfRange: [{ bufferMaxSize: 0 }, { bufferMaxBytes: 0.5 }],
  },
  {
    name: "setHeartbeat()",
    check: (options) => checkHeartbeatTimes(options, TCP),
    allowed: [
      { pingInterval: 0, pingTimeout: 1, idleTimeout: 0 },
      { pingInterval: 25_000 },
    ],
    wrongKinds: [{ pingInterval: "1s" }, { idleTimeout: null }, { ping: 1 }],
    outOfRange: [{ pingInterval: -1 }, { pingTimeout: 0 }],
  },
];

for (
  const { name, check, allowed, wrongKinds, outOfRange } of OPTION_CASES
) {
  Deno.test(`${name} takes its options, none of them required`, () => {
    for (const options of [{}, ...allowed]) {
      check(options);
      const absent = Object.keys(options).map((key) => [key, undefined]);
      check(Object.fromEntries(absent));
    }
  });

  Deno.test(`${name} refuses wrong kinds, unknown keys and numbers out of range`, () => {
    for (const options of wrongKinds) {
      const [key] = Object.keys(options);
      assertThrows(() => check(options), TypeError, `'${key}`);
    }
    for (const options of outOfRange) {
      const [key] = Object.keys(options);
      assertThrows(() => check(options), RangeError, `'${key}'`);
    }
  });
}

Deno.test("a flush waits for any number of milliseconds, or without limit", () => {
  assertEquals(checkFlushLimit(undefined), undefined);
  assertEquals(checkFlushLimit(Infinity), undefined);
  assertEquals(checkFlushLimit(0), 0);
  for (const ms of [-1, NaN, 2 ** 31]) {
    assertThrows(() => checkFlushLimit(ms), RangeError, "'ms'");
  }
});

Deno.test("readers of the tcp transport pause by default", () => {
  assertEquals(resolveReadOptions({}, TCP).overflow, "pause");
  assertEquals(resolveReadOptions({}, NATIVE).overflow, "disconnect");
  const overflow = "pause";
  assertEquals(resolveReadOptions({ overflow }, TCP).overflow, "pause");
});

Deno.test("setHeartbeat refuses a pingInterval without a message to send", () => {
  const times = { pingInterval: 1_000 };
  assertThrows(
    () => checkHeartbeatTimes(times, NATIVE),
    TypeError,
    "Cannot use 'pingInterval' without 'ping.message'",
  );
  const ping = { message: "ping" };
  checkHeartbeatTimes(times, { ...NATIVE, ping });
});

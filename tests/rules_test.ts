import {
  assert,
  assertEquals,
  assertFalse,
  assertLessOrEqual,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  boolean,
  callable,
  COUNT,
  DURATION,
  number,
  type NumberRule,
  oneOf,
  onlyKnownKeys,
  POSITIVE_DURATION,
  show,
  text,
  wrongKind,
  wrongSecret,
} from "../src/rules.ts";

interface NumberCase {
  readonly rule: NumberRule;
  readonly says: string;
  readonly allowed: readonly number[];
  readonly refused: readonly number[];
}

const NUMBERS: readonly NumberCase[] = [
  {
    rule: DURATION,
    says: "a number of milliseconds from 0 to 2147483647",
    allowed: [0, -0, 0.5, 1, 2 ** 31 - 1],
    refused: [-1, -0.001, 2 ** 31, NaN, Infinity, -Infinity],
  },
  {
    rule: POSITIVE_DURATION,
    says: "a number of milliseconds greater than 0 and at most 2147483647",
    allowed: [0.5, 1, 2 ** 31 - 1],
    refused: [0, -1, 2 ** 31, NaN, Infinity, -Infinity],
  },
  {
    rule: COUNT,
    says: "a whole number from 1",
    allowed: [1, 2, 1e12],
    refused: [0, -1, 1.5, NaN, Infinity, -Infinity],
  },
  {
    rule: { min: 0, integer: true, infinity: true },
    says: "a whole number from 0, or Infinity",
    allowed: [0, 1, Infinity],
    refused: [-1, 0.5, NaN, -Infinity],
  },
  {
    rule: { ...POSITIVE_DURATION, infinity: true },
    says:
      "a number of milliseconds greater than 0 and at most 2147483647, or Infinity",
    allowed: [0.5, Infinity],
    refused: [0, -1, 2 ** 31, NaN, -Infinity],
  },
  {
    rule: { min: 0, max: 1 },
    says: "a number from 0 to 1",
    allowed: [0, 0.5, 1],
    refused: [-0.1, 1.1, NaN, Infinity],
  },
  {
    rule: { min: 3000, max: 4999, integer: true, also: 1000 },
    says: "1000, or a whole number from 3000 to 4999",
    allowed: [1000, 3000, 4999],
    refused: [999, 1001, 2999, 5000, 3000.5, NaN, Infinity],
  },
];

for (const { rule, says, allowed, refused } of NUMBERS) {
  Deno.test(`the rule "${says}" holds for its numbers alone`, () => {
    for (const value of allowed) {
      assertStrictEquals(number("key", value, rule), value);
    }
    for (const value of refused) {
      assertThrows(
        () => number("key", value, rule),
        RangeError,
        `Cannot use 'key' as it must be ${says}: current value is ${value}`,
      );
    }
  });

  Deno.test(`the rule "${says}" refuses what is no number as a wrong kind`, () => {
    for (const value of ["1", null, undefined, 1n, true, {}, [1], Object(1)]) {
      assertThrows(
        () => number("key", value, rule),
        TypeError,
        `Cannot use 'key' as it must be ${says}: current value is `,
      );
    }
  });
}

Deno.test("a number within its limits is returned, any other throws", () => {
  const rule = fc.record({
    min: fc.double({ noNaN: true, noDefaultInfinity: true }),
    max: fc.option(fc.double({ noNaN: true }), { nil: undefined }),
    above: fc.boolean(),
    integer: fc.boolean(),
    infinity: fc.boolean(),
  });
  fc.assert(fc.property(rule, fc.double(), (rule, value) => {
    const { min, max = Infinity, above, integer, infinity } = rule;
    const isAllowed = value === Infinity
      ? infinity
      : value <= max && (above ? value > min : value >= min) &&
        (!integer || value % 1 === 0);
    if (isAllowed) assertStrictEquals(number("key", value, rule), value);
    else assertThrows(() => number("key", value, rule), RangeError);
  }));
});

Deno.test("a choice is one of the texts listed, letter by letter", () => {
  const allowed = ["wait", "reject"] as const;
  assertEquals(oneOf("overflow", "wait", allowed), "wait");
  for (const value of ["Wait", "", " wait", null, 1, ["wait"]]) {
    const message = "Cannot use 'overflow' as it must be " +
      `"wait" or "reject": current value is ${show(value)}`;
    assertThrows(
      () => oneOf("overflow", value, allowed),
      TypeError,
      message,
    );
  }
});

Deno.test("only true and false are boolean", () => {
  assertEquals([boolean("a", true), boolean("a", false)], [true, false]);
  for (const value of [0, 1, "true", null, undefined, Object(true)]) {
    assertThrows(() => boolean("reconnect", value), TypeError, "'reconnect'");
  }
});

Deno.test("only functions are callable", () => {
  const f = () => {};
  assertStrictEquals(callable("classify", f), f);
  for (const value of [{}, "f", null, undefined]) {
    assertThrows(() => callable("classify", value), TypeError, "'classify'");
  }
});

Deno.test("text() accepts strings that are not empty", () => {
  assertEquals(text("spool", "queue.db"), "queue.db");
  for (const value of ["", 1, null, undefined, new URL("file:///a")]) {
    assertThrows(() => text("spool", value), TypeError, "'spool'");
  }
});

Deno.test("an unknown key is refused, and the error lists the known ones", () => {
  onlyKnownKeys("ping", { message: "a" }, ["message", "isPong"]);
  onlyKnownKeys("ping", {}, ["message", "isPong"]);
  assertThrows(
    () => onlyKnownKeys("ping", { mesage: "a" }, ["message", "isPong"]),
    TypeError,
    "Cannot use 'mesage' in ping as there is no such option: " +
      "known are message, isPong",
  );
});

Deno.test("an unknown key is refused even if its value is undefined", () => {
  assertThrows(() => onlyKnownKeys("ping", { a: undefined }, []), TypeError);
});

Deno.test("a value that is not an object is refused", () => {
  const cases: [value: unknown, shown: string][] = [
    [null, "null"],
    [undefined, "undefined"],
    [5, "a number"],
    ["secret", "a string"],
    [["secret"], "an array"],
    [() => "secret", "a function"],
  ];
  for (const [value, shown] of cases) {
    const error = assertThrows(
      () => onlyKnownKeys("tls", value, []),
      TypeError,
    );
    assertEquals(
      error.message,
      `Cannot use 'tls' as it must be an object: current value is ${shown}`,
    );
  }
});

Deno.test("an object of the runtime's own classes is not taken for no options", () => {
  for (
    const value of [
      new AbortController().signal,
      new URL("ws://secret"),
      new Headers(),
      new Map(),
      new Date(),
      new Uint8Array(),
      Promise.resolve(),
      new Error("secret"),
    ]
  ) {
    const error = assertThrows(
      () => onlyKnownKeys("WSConfig", value, []),
      TypeError,
    );
    assertEquals(
      error.message,
      "Cannot use 'WSConfig' as it must be an object with options: " +
        `current value is an object of the class ${value.constructor.name}`,
    );
  }
});

Deno.test("an object of the program's own is taken, whatever made it", () => {
  class Options {
    readonly a = 1;
    readonly [Symbol.toStringTag] = "Options";
  }
  for (const value of [new Options(), Object.create(null), import.meta]) {
    onlyKnownKeys("tls", value, Object.keys(value));
  }
});

Deno.test("a value of the wrong kind is named with key, rule and value", () => {
  assertEquals(
    wrongKind("url", "a URL", "here").message,
    `Cannot use 'url' as it must be a URL: current value is "here"`,
  );
});

Deno.test("the error for a possible secret names only the kind of value", () => {
  assertEquals(
    wrongSecret("headers", "a record", "Bearer abc").message,
    "Cannot use 'headers' as it must be a record: current value is a string",
  );
});

Deno.test("a value is shown on one line of at most 80 characters", () => {
  const values = fc.oneof(
    fc.anything({ withDate: true, withMap: true, withTypedArray: true }),
    fc.string(),
    fc.constant(new Error("first\nsecond")),
    fc.func(fc.nat()),
  );
  fc.assert(fc.property(values, (value) => {
    const shown = show(value);
    assertLessOrEqual(shown.length, 80);
    assertFalse(/[\n\r]/.test(shown), shown);
    assert(shown.length > 0);
  }));
});

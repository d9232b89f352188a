import {
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type {
  DisconnectInfo,
  Gap,
  RetryInfo,
  WSCallbacks,
} from "../src/callbacks.ts";
import { WSError, type WSErrorCode } from "../src/errors.ts";
import { callbackError } from "../src/errors.ts";
import { Notifier } from "../src/notifier.ts";

const ERROR = new WSError("refused", {
  code: "CONNECT",
  severity: "transient",
});
const RETRY: RetryInfo = { attempt: 1, delay: 5, error: ERROR };
const GAP: Gap = { from: 1, to: 2, cause: ERROR, attempts: 1 };
const DISCONNECT: DisconnectInfo = {
  code: 1006,
  reason: "",
  wasClean: false,
  error: ERROR,
  willRetry: true,
  connectedFor: 1,
};

interface Event {
  readonly name: Exclude<keyof WSCallbacks, "onConnect">;
  readonly args: readonly unknown[];
  readonly raise: (notifier: Notifier) => void;
}

/** Every callback that goes through the notifier, and what makes it called. */
const EVENTS: readonly Event[] = [
  {
    name: "onMessage",
    args: ["a"],
    raise: (notifier) => notifier.message("a"),
  },
  {
    name: "onDisconnect",
    args: [DISCONNECT],
    raise: (notifier) => notifier.disconnect(DISCONNECT),
  },
  {
    name: "onError",
    args: [ERROR],
    raise: (notifier) => notifier.error(ERROR),
  },
  {
    name: "onRetry",
    args: [RETRY],
    raise: (notifier) => notifier.retry(RETRY),
  },
  {
    name: "onDrop",
    args: ["a", "overflow"],
    raise: (notifier) => notifier.drop("a", "overflow"),
  },
  { name: "onGap", args: [GAP], raise: (notifier) => notifier.gap(GAP) },
  {
    name: "onStateChange",
    args: ["open", "connecting"],
    raise: (notifier) => notifier.stateChange("open", "connecting"),
  },
];

/** What a program may throw, and what the error says of it. */
const THROWN: readonly (readonly [thrown: unknown, says: string])[] = [
  [new TypeError("boom"), "boom"],
  ["boom", "boom"],
  [undefined, "undefined"],
  [null, "null"],
  [42n, "42"],
  [Symbol("boom"), "Symbol(boom)"],
  [{ toString: () => "boom" }, "boom"],
];

/** What cannot even be looked at. */
const HOSTILE: readonly unknown[] = [
  Object.create(null),
  {
    toString() {
      throw new Error("again");
    },
  },
  Object.assign(new Error(), { message: { toString: null } }),
  Object.defineProperty(new Error(), "message", {
    get() {
      throw new Error("again");
    },
  }),
  new Proxy({}, {
    getPrototypeOf() {
      throw new Error("again");
    },
  }),
];

for (const { name, args, raise } of EVENTS) {
  Deno.test(`${name} gets what happened, as a method of the callbacks`, () => {
    const calls: unknown[][] = [];
    const callbacks: WSCallbacks = {
      [name](this: unknown, ...args: unknown[]) {
        assertStrictEquals(this, callbacks);
        calls.push(args);
      },
    };
    raise(new Notifier(callbacks));
    assertEquals(calls, [[...args]]);
  });

  Deno.test(`without ${name} nothing happens`, () => {
    const notifier = new Notifier({ [name]: undefined });
    raise(notifier);
    assertEquals(notifier.failures.CALLBACK, 0);
  });

  if (name === "onError") continue;

  Deno.test(`what ${name} throws is reported once, as CALLBACK, and goes no further`, () => {
    for (const [thrown, says] of THROWN) {
      const errors: WSError[] = [];
      const notifier = new Notifier({
        onError: (error) => errors.push(error),
        [name]: () => {
          throw thrown;
        },
      });
      raise(notifier);
      const [error, ...more] = errors;
      assertEquals(more, []);
      assertInstanceOf(error, WSError);
      assertEquals(error.code, "CALLBACK");
      assertEquals(error.severity, "transient");
      assertEquals(error.message, `${name} threw: ${says}`);
      assertStrictEquals(error.cause, thrown);
      assertEquals(notifier.failures.CALLBACK, 1);
    }
  });

  Deno.test(`what ${name} rejects with is reported once, as CALLBACK`, async () => {
    for (const [thrown, says] of THROWN) {
      const { promise, resolve } = Promise.withResolvers<WSError>();
      const notifier = new Notifier({
        onError: resolve,
        [name]: () => Promise.reject(thrown),
      });
      raise(notifier);
      const error = await promise;
      assertEquals(error.code, "CALLBACK");
      assertEquals(error.message, `${name} threw: ${says}`);
      assertStrictEquals(error.cause, thrown);
      assertEquals(notifier.failures.CALLBACK, 1);
    }
  });

  Deno.test(`${name} breaks nothing, however hostile what it throws is`, async () => {
    for (const thrown of HOSTILE) {
      const notifier = new Notifier({
        [name]: () => {
          throw thrown;
        },
      });
      raise(notifier);
      assertEquals(notifier.failures.CALLBACK, 1);
      const { promise, resolve } = Promise.withResolvers<WSError>();
      raise(
        new Notifier({
          onError: resolve,
          [name]: () => Promise.reject(thrown),
        }),
      );
      assertStrictEquals((await promise).cause, thrown);
    }
  });

  Deno.test(`${name} breaks nothing, however hostile what it returns is`, () => {
    const returned: unknown[] = [
      Object.create(null),
      { then: 5 },
      {
        get then() {
          throw new Error("boom");
        },
      },
      {
        then() {
          throw new Error("boom");
        },
      },
      {
        then(_: unknown, reject: (cause: unknown) => void) {
          reject(new Error("boom"));
        },
      },
    ];
    const reported = returned.map((value) => {
      const notifier = new Notifier({ [name]: () => value });
      raise(notifier);
      return notifier.failures.CALLBACK;
    });
    assertEquals(reported, [0, 0, 1, 1, 1]);
  });
}

Deno.test("an onError that throws or rejects is counted, and tells nobody", async () => {
  const thrower = new Notifier({
    onError: () => {
      throw new Error("boom");
    },
  });
  thrower.error(ERROR);
  assertEquals(thrower.failures.CALLBACK, 1);
  assertEquals(thrower.failures.CONNECT, 1);

  const rejecter = new Notifier({ onError: () => Promise.reject("boom") });
  rejecter.error(ERROR);
  await Promise.resolve();
  assertEquals(rejecter.failures.CALLBACK, 1);
});

Deno.test("an onError that throws is not called for its own error", () => {
  let calls = 0;
  const notifier = new Notifier({
    onGap: () => {
      throw new Error("first");
    },
    onError: () => {
      calls++;
      throw new Error("second");
    },
  });
  notifier.gap(GAP);
  assertEquals(calls, 1);
  assertEquals(notifier.failures.CALLBACK, 2);
});

Deno.test("every reported error is counted under its code, heard or not", () => {
  const notifier = new Notifier({});
  const codes = Object.keys(notifier.failures) as WSErrorCode[];
  assertEquals(codes.length, 20);
  assertEquals(new Set(Object.values(notifier.failures)), new Set([0]));
  codes.forEach((code, index) => {
    const error = new WSError("", { code, severity: "transient" });
    for (let i = 0; i <= index; i++) notifier.error(error);
  });
  assertEquals(
    Object.values(notifier.failures),
    codes.map((_, index) => index + 1),
  );
});

Deno.test("a promise that onMessage returns is not waited for", () => {
  const notifier = new Notifier({ onMessage: () => new Promise(() => {}) });
  assertEquals(notifier.message("a"), undefined);
});

Deno.test("a callback that is no function, or that nobody calls, is refused by name", () => {
  for (const { name } of [...EVENTS, { name: "onConnect" }]) {
    for (const value of [null, "f", {}, 1]) {
      assertThrows(
        () => new Notifier({ [name]: value }),
        TypeError,
        `Cannot use '${name}' as it must be a function`,
      );
    }
    new Notifier({ [name]: undefined });
  }
  for (const name of ["onOpen", "onmessage", "message"]) {
    assertThrows(
      () => new Notifier({ [name]: () => {} }),
      TypeError,
      `Cannot use '${name}' in WSCallbacks`,
    );
  }
  for (const value of [null, () => {}, "onMessage"]) {
    assertThrows(
      () => new Notifier(value as WSCallbacks),
      TypeError,
      "Cannot use 'WSCallbacks' as it must be an object",
    );
  }
});

Deno.test("callbacks may be the methods of a class", () => {
  class Feed {
    readonly #seen: unknown[] = [];
    onMessage(data: unknown) {
      this.#seen.push(data);
    }
    get seen() {
      return this.#seen;
    }
  }
  const feed = new Feed();
  new Notifier(feed).message("a");
  assertEquals(feed.seen, ["a"]);
});

Deno.test("the error for a callback keeps what was thrown as its cause", () => {
  const cause = new RangeError("boom");
  const error = callbackError("ping.isPong", cause);
  assertEquals(error.message, "ping.isPong threw: boom");
  assertEquals([error.code, error.severity], ["CALLBACK", "transient"]);
  assertStrictEquals(error.cause, cause);
});

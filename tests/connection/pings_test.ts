import { assertEquals, assertMatch } from "@std/assert";
import type { PingConfig } from "../../src/config.ts";
import { Pings } from "../../src/connection/pings.ts";
import type { WSError } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";

Deno.test("without isPong and answer there is nothing to look for", () => {
  assertEquals(setUp({ message: "ping" }).pings.intercept, undefined);
  assertEquals(setUp({}).pings.send(), false);
});

Deno.test("a ping is a text, a binary message, or what a function returns", () => {
  const bytes = new Uint8Array([1]);
  let count = 0;
  for (const message of ["ping", bytes, () => `ping ${++count}`] as const) {
    const { pings, told } = setUp({ message });
    assertEquals([pings.send(), pings.send()], [true, true]);
    assertEquals(
      told.sent,
      typeof message === "function" ? ["ping 1", "ping 2"] : [message, message],
    );
  }
});

Deno.test("a pong is not delivered, and tells the time since its ping", () => {
  const { pings, told } = setUp({
    message: "ping",
    isPong: (data) => data === "pong",
  });
  told.now = 10;
  pings.send();
  told.now = 13.5;
  assertEquals(pings.intercept?.("data"), false);
  assertEquals(pings.intercept?.("pong"), true);
  assertEquals(told.rtts, [3.5]);
});

Deno.test("a pong nobody waits for is not delivered, and tells no time", () => {
  const { pings, told } = setUp({ message: "ping", isPong: () => true });
  assertEquals(pings.intercept?.("pong"), true);
  pings.send();
  pings.intercept?.("pong");
  pings.intercept?.("pong");
  assertEquals(told.rtts.length, 1);
});

Deno.test("an ignored ping does not shift the times of later ones", () => {
  const { pings, told } = setUp({ message: "ping", isPong: () => true });
  told.now = 0;
  pings.send();
  told.now = 20;
  pings.send();
  told.now = 21;
  pings.intercept?.("pong");
  told.now = 40;
  pings.send();
  told.now = 41;
  pings.intercept?.("pong");
  assertEquals(told.rtts, [21, 1]);
});

Deno.test("a ping of the server is answered at once and not delivered", () => {
  const { pings, told } = setUp({
    answer: (data) => data === "2" ? "3" : undefined,
  });
  assertEquals(pings.intercept?.("4data"), false);
  assertEquals(pings.intercept?.("2"), true);
  assertEquals(told.sent, ["3"]);
});

Deno.test("an empty text is an answer", () => {
  const { pings, told } = setUp({ answer: () => "" });
  assertEquals(pings.intercept?.("ping"), true);
  assertEquals(told.sent, [""]);
});

function fails(): never {
  throw new Error("broken");
}

/** What the types forbid, and programs without types write. */
function promised(): never {
  return Promise.resolve("pong") as never;
}

const BROKEN: readonly (readonly [string, PingConfig, RegExp])[] = [
  ["message that throws", { message: fails }, /^ping\.message threw: broken/],
  ["message that returns a promise", { message: promised }, /^ping\.message/],
  [
    "isPong that throws",
    { message: "ping", isPong: fails },
    /^ping\.isPong threw: broken/,
  ],
  ["answer that throws", { answer: fails }, /^ping\.answer threw: broken/],
  ["answer that returns a promise", { answer: promised }, /^ping\.answer/],
];

for (const [name, config, text] of BROKEN) {
  Deno.test(`${name} is told, sends nothing and swallows nothing`, () => {
    const { pings, told } = setUp(config);
    if (config.message === fails || config.message === promised) {
      assertEquals(pings.send(), false);
    } else {
      assertEquals(pings.intercept?.("data"), false);
    }
    assertEquals(told.sent, []);
    assertEquals(told.errors.map(({ code }) => code), ["CALLBACK"]);
    assertMatch(told.errors[0]?.message ?? "", text);
  });
}

Deno.test("an isPong that returns a promise swallows nothing", () => {
  const { pings } = setUp({ message: "ping", isPong: promised });
  assertEquals(pings.intercept?.("data"), false);
});

Deno.test("a message that throws once does not end the pings", () => {
  let isBroken = true;
  const { pings, told } = setUp({ message: () => isBroken ? fails() : "ping" });
  pings.send();
  isBroken = false;
  assertEquals(pings.send(), true);
  assertEquals(told.sent, ["ping"]);
});

function setUp(config: PingConfig) {
  const told = {
    now: 0,
    sent: [] as Message[],
    rtts: [] as number[],
    errors: [] as WSError[],
  };
  const pings = new Pings(config, {
    send: (data) => told.sent.push(data),
    onRtt: (ms) => told.rtts.push(ms),
    onError: (error) => told.errors.push(error),
    monotonic: () => told.now,
  });
  return { pings, told };
}

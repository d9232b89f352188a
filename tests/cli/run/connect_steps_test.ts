import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Message } from "../../../mod.ts";
import { UsageError } from "../../../src/cli/args/values.ts";
import { InputFormatError } from "../../../src/cli/output/message_codec.ts";
import { connectSteps, matches } from "../../../src/cli/run/connect_steps.ts";

type GreetingFlags = Parameters<typeof connectSteps>[0];

const none: GreetingFlags = {
  "on-open": [],
  await: undefined,
  binary: undefined,
};

/** A connection that brings these messages and ends. */
function connection(...inbound: Message[]) {
  const sent: Message[] = [];
  const session = {
    url: "ws://127.0.0.1",
    protocol: "",
    reconnected: false,
    attempt: 0,
    send: (data: Message) => void sent.push(data),
    receive() {
      const message = inbound.shift();
      return message === undefined
        ? Promise.reject(new Error("the link is gone"))
        : Promise.resolve(message);
    },
  };
  return { sent, inbound, session };
}

/** What goes out, what is delivered, and what is left for the others. */
async function greet(flags: Partial<GreetingFlags>, ...inbound: Message[]) {
  const { sent, session, inbound: left } = connection(...inbound);
  const delivered: Message[] = [];
  const greeting = connectSteps({ ...none, ...flags });
  await greeting?.(session, (data) => delivered.push(data));
  return { sent, delivered, left };
}

Deno.test("nothing asked for is no greeting", () => {
  assertEquals(connectSteps(none), undefined);
});

Deno.test("the messages are sent in their order", async () => {
  const flags = { "on-open": [{ text: "login" }, { text: "subscribe" }] };
  assertEquals(await greet(flags, "hello"), {
    sent: ["login", "subscribe"],
    delivered: [],
    left: ["hello"],
  });
});

Deno.test("an awaited message ends the greeting, those before it are delivered too", async () => {
  assertEquals(
    await greet({ await: /ready/ }, "hello", "all ready", "first"),
    { sent: [], delivered: ["hello", "all ready"], left: ["first"] },
  );
});

Deno.test("the messages go out before the wait", async () => {
  const flags = { "on-open": [{ text: "login" }], await: /^ok$/ };
  assertEquals((await greet(flags, "ok")).sent, ["login"]);
});

Deno.test("a link that ends meanwhile fails the greeting", async () => {
  await assertRejects(
    () => greet({ await: /ready/ }, "hello"),
    Error,
    "the link is gone",
  );
});

Deno.test("the messages have the form of the input", async () => {
  const flags = { "on-open": [{ text: "4142" }], binary: "hex" } as const;
  assertEquals((await greet(flags)).sent, [new TextEncoder().encode("AB")]);
});

Deno.test("what is wrong with a message is told before anything starts", () => {
  assertThrows(
    () => connectSteps({ ...none, "on-open": [{ file: "there is none" }] }),
    UsageError,
    "--on-open cannot be read",
  );
  assertThrows(
    () => connectSteps({ ...none, "on-open": [{ text: "x" }], binary: "hex" }),
    InputFormatError,
  );
});

Deno.test("a file is read for each connection: a token may have been renewed", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "old token");
    const greeting = connectSteps({ ...none, "on-open": [{ file }] });
    await Deno.writeTextFile(file, "new token\n");
    const { sent, session } = connection();
    await greeting?.(session, () => {});
    assertEquals(sent, ["new token"]);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a text matches if the pattern is found anywhere in it", () => {
  assertEquals(matches(/po.g/, '{"op":"pong"}'), true);
  assertEquals(matches(/^pong$/, "pong!"), false);
});

Deno.test("a binary message matches by its bytes as UTF-8, sound or not", () => {
  assertEquals(matches(/^ü$/, Uint8Array.of(0xc3, 0xbc)), true);
  assertEquals(matches(/b$/, Uint8Array.of(0xff, 0x62)), true);
  assertEquals(matches(/a/, Uint8Array.of(0x62)), false);
});

import { assertEquals, assertLess, assertRejects } from "@std/assert";
import fc from "fast-check";
import { MessageDeflate } from "../../src/protocol/deflate.ts";
import type { DeflateParameters } from "../../src/protocol/deflate_parameters.ts";
import { ProtocolError, type Side } from "../../src/protocol/frames.ts";

const PLAIN: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

function pair(parameters: Partial<DeflateParameters> = {}, max = 1_000_000) {
  const agreed = { ...PLAIN, ...parameters };
  const client = new MessageDeflate("client", agreed, max);
  const server = new MessageDeflate("server", agreed, max);
  return {
    client,
    server,
    [Symbol.dispose]() {
      client.close();
      server.close();
    },
  };
}

const SIDES: readonly [Side, Side][] = [
  ["client", "server"],
  ["server", "client"],
];

const parameters: fc.Arbitrary<DeflateParameters> = fc.record({
  serverNoContextTakeover: fc.boolean(),
  clientNoContextTakeover: fc.boolean(),
  serverMaxWindowBits: fc.integer({ min: 9, max: 15 }),
  clientMaxWindowBits: fc.integer({ min: 9, max: 15 }),
});

const messages = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.nat(255), fc.nat(100_000))
      .map(([byte, length]) => new Uint8Array(length).fill(byte)),
  ),
  { maxLength: 6 },
);

for (const [from, to] of SIDES) {
  Deno.test(`what a ${from} compresses the ${to} inflates, whatever was agreed`, async () => {
    await fc.assert(
      fc.asyncProperty(parameters, messages, async (agreed, all) => {
        using both = pair(agreed);
        for (const message of all) {
          const compressed = await both[from].compress(message);
          assertEquals(await both[to].inflate(compressed), message);
        }
      }),
      { numRuns: 50 },
    );
  });
}

Deno.test("the window is kept from message to message, unless agreed otherwise", async () => {
  const message = crypto.getRandomValues(new Uint8Array(1_000));
  using kept = pair();
  await kept.server.compress(message);
  assertLess((await kept.server.compress(message)).length, 100);

  using forgotten = pair({ serverNoContextTakeover: true });
  const first = await forgotten.server.compress(message);
  assertEquals(await forgotten.server.compress(message), first);
});

Deno.test("a message that inflates to too much is refused with 1009", async () => {
  using both = pair({}, 10_000);
  const bomb = await both.client.compress(new Uint8Array(10_000_000));
  const error = await assertRejects(
    () => both.server.inflate(bomb),
    ProtocolError,
  );
  assertEquals(error.closeCode, 1009);
});

Deno.test("a message of exactly the limit is not too much", async () => {
  using both = pair({}, 10_000);
  const message = new Uint8Array(10_000);
  const compressed = await both.client.compress(message);
  assertEquals(await both.server.inflate(compressed), message);
});

Deno.test("what is no compressed data is refused with 1007", async () => {
  using both = pair();
  const error = await assertRejects(
    () => both.server.inflate(Uint8Array.of(0xff, 0xff, 0xff, 0xff)),
    ProtocolError,
  );
  assertEquals(error.closeCode, 1007);
});

Deno.test("closing rejects what is pending and what comes later", async () => {
  const { client, server } = pair();
  const pending = client.compress(new Uint8Array(100_000));
  client.close();
  server.close();
  await assertRejects(() => pending, Error, "has ended");
  await assertRejects(() => server.inflate(new Uint8Array()), Error, "ended");
});

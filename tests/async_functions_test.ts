/**
 * Functions of the options that must answer at once, given as async functions:
 * what programs without types do. Each is reported, none decides anything by
 * being a promise, and none ends the program when it rejects.
 */

import { assertEquals, assertMatch } from "@std/assert";
import type { WSConfig } from "../mod.ts";
import { World } from "./support/client_world.ts";

interface Row {
  readonly name: RegExp;
  /** The options with this function in them. */
  readonly config: (fn: () => Promise<never>) => object;
}

const ROWS: readonly Row[] = [
  { name: /^decode/, config: (decode) => ({ decode }) },
  {
    name: /^ping\.isPong/,
    config: (isPong) => ({
      pingInterval: 60_000,
      ping: { message: "?", isPong },
    }),
  },
  { name: /^ping\.answer/, config: (answer) => ({ ping: { answer } }) },
  {
    name: /^ping\.message/,
    config: (message) => ({ pingInterval: 10, ping: { message } }),
  },
  {
    name: /^redeliver\.id/,
    config: (id) => ({ redeliver: { id, acknowledged: () => undefined } }),
  },
  {
    name: /^redeliver\.acknowledged/,
    config: (acknowledged) => ({
      redeliver: { id: () => 1, acknowledged },
    }),
  },
  {
    name: /^receiveOverflow\.conflate/,
    config: (conflate) => ({ receiveOverflow: { conflate } }),
  },
  { name: /^classify/, config: (classify) => ({ classify }) },
  { name: /^fatalCloseCodes/, config: (codes) => ({ fatalCloseCodes: codes }) },
];

for (const { name, config } of ROWS) {
  Deno.test(`an async function as ${name.source.slice(1).replace("\\", "")} is reported and ends nothing`, async () => {
    const given: Partial<WSConfig> = config(() =>
      Promise.reject(new Error("late"))
    );
    await using world = await World.open({ config: given });
    const { calls, client } = world;
    const reader = client.messages();
    client.send("out").catch(() => {});
    await world.peer.send("in");
    if (name.source !== "^decode") {
      assertEquals(await calls.next("message"), "in");
    }
    const reconnected = world.nextPeer().then(() => world.nextPeer());
    await world.peer.close(4001);
    await reconnected;
    await calls.until(
      () =>
        calls.all("error").some(({ code, message }) =>
          code === "CALLBACK" && name.test(message)
        ),
      `the report of ${name.source}`,
    );
    const reports = calls.all("error").filter(({ code }) =>
      code === "CALLBACK"
    );
    for (const { message } of reports) assertMatch(message, name);
    await reader.return?.();
  });
}

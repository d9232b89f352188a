/** Against websocketd, which makes a server of any command. */

import { assertEquals, assertGreater } from "@std/assert";
import { Guest } from "../support/client_world.ts";
import { testWith } from "../support/foreign_server.ts";
import { findWebsocketd } from "../support/websocketd.ts";

const websocketd = await findWebsocketd();

testWith(
  websocketd,
  "websocketd: a command's lines go both ways",
  async (start) => {
    await using server = await start("cat");
    await using guest = await Guest.start({ url: server.url });
    for (const line of ["one", "two, grüße", "three"]) {
      await guest.client.sendText(line);
      assertEquals(await guest.calls.next("message"), line);
    }
  },
);

testWith(
  websocketd,
  "websocketd: a command that ends ends the connection, and is run again",
  async (start) => {
    await using server = await start("sh", "-c", "echo a; echo b");
    await using guest = await Guest.start({ url: server.url });
    for (const line of ["a", "b", "a", "b"]) {
      assertEquals(await guest.calls.next("message"), line);
    }
    const { connectedFor, willRetry } = await guest.calls.next("disconnect");
    assertGreater(connectedFor, 0);
    assertEquals(willRetry, true);
  },
);

testWith(
  websocketd,
  "websocketd: a long output comes whole and in order",
  async (start) => {
    const count = 50_000;
    await using server = await start("sh", "-c", `seq ${count}; cat`);
    await using guest = await Guest.start({ url: server.url });
    const { calls } = guest;
    await calls.until(() => calls.all("message").length >= count, "all lines");
    assertEquals(
      calls.all("message"),
      Array.from({ length: count }, (_, index) => String(index + 1)),
    );
  },
);

/** Against websocketd, which makes a server of any command. */

import { assertEquals, assertGreater } from "@std/assert";
import { testWithEach } from "../support/foreign_server.ts";
import { findWebsocketd } from "../support/websocketd.ts";

const websocketd = await findWebsocketd();

testWithEach(
  websocketd,
  "websocketd: a command's lines go both ways",
  async (start, transport) => {
    await using server = await start("cat");
    await using guest = await transport.guest({ url: server.url });
    for (const line of ["one", "two, grüße", "three"]) {
      await guest.client.sendText(line);
      assertEquals(await guest.calls.next("message"), line);
    }
  },
);

testWithEach(
  websocketd,
  "websocketd: a command that ends ends the connection, and is run again",
  async (start, transport) => {
    await using server = await start("sh", "-c", "echo a; echo b");
    await using guest = await transport.guest({ url: server.url });
    for (const line of ["a", "b", "a", "b"]) {
      assertEquals(await guest.calls.next("message"), line);
    }
    const { connectedFor, willRetry } = await guest.calls.next("disconnect");
    assertGreater(connectedFor, 0);
    assertEquals(willRetry, true);
  },
);

testWithEach(
  websocketd,
  "websocketd: a long output comes whole and in order",
  async (start, transport) => {
    const count = 50_000;
    await using server = await start("sh", "-c", `seq ${count}; cat`);
    await using guest = await transport.guest({ url: server.url });
    const { calls } = guest;
    await calls.until(() => calls.all("message").length >= count, "all lines");
    assertEquals(
      calls.all("message"),
      Array.from({ length: count }, (_, index) => String(index + 1)),
    );
  },
);

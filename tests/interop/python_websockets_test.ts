/** Against Python's `websockets`, which checks frames strictly. */

import { assertEquals, assertRejects } from "@std/assert";
import { type Message, WSError } from "../../mod.ts";
import { testWithEach } from "../support/foreign_server.ts";
import { findPythonWs } from "../support/python_ws.ts";

const python = await findPythonWs();

const MESSAGES: readonly Message[] = [
  "grüße 🚀",
  "",
  Uint8Array.of(0, 255, 128),
  new Uint8Array(0),
  "x".repeat(1024 * 1024), // The most it takes.
];

testWithEach(
  python,
  "Python websockets: what is sent comes back the same",
  async (start, transport) => {
    await using server = await start();
    await using guest = await transport.guest({ url: server.url });
    for (const message of MESSAGES) {
      await guest.client.send(message);
      assertEquals(await guest.calls.next("message"), message);
    }
  },
);

testWithEach(
  python,
  "Python websockets: more than it takes ends the connection with 1009",
  async (start, transport) => {
    await using server = await start();
    await using guest = await transport.guest({
      url: server.url,
      redeliver: "none",
    });
    await guest.client.send("x".repeat(1024 * 1024 + 1));
    assertEquals((await guest.calls.next("disconnect")).code, 1009);
    await guest.calls.next("retry");
  },
);

testWithEach(
  python,
  "Python websockets: it chooses the subprotocol that it knows",
  async (start, transport) => {
    await using server = await start();
    await using guest = await transport.guest({
      url: server.url,
      subprotocols: ["other", "chat"],
    });
    assertEquals(guest.client.protocol, "chat");
  },
);

testWithEach(
  python,
  "Python websockets: its pings are answered",
  async (start, transport) => {
    await using server = await start();
    await using guest = await transport.guest({ url: `${server.url}/ping` });
    assertEquals(await guest.calls.next("message"), "answered");
  },
);

testWithEach(
  python,
  "Python websockets: its close code and reason come through",
  async (start, transport) => {
    await using server = await start();
    await using guest = await transport.guest({ url: `${server.url}/close` });
    const { code, reason, wasClean, error } = await guest.calls.next(
      "disconnect",
    );
    assertEquals([code, reason, wasClean], [1011, "grüße", true]);
    assertEquals([error?.code, error?.closeCode], ["CLOSED", 1011]);
  },
);

testWithEach(
  python,
  "Python websockets: a connection that it drops is 1006",
  async (start, transport) => {
    await using server = await start();
    await using guest = await transport.guest({ url: `${server.url}/drop` });
    const { code, wasClean } = await guest.calls.next("disconnect");
    assertEquals([code, wasClean], [1006, false]);
    await guest.calls.next("connect");
  },
);

testWithEach(
  python,
  "Python websockets: what its process_request refuses is told, with its headers",
  async (start, transport) => {
    await using server = await start();
    const error = await assertRejects(
      () => transport.guest({ url: `${server.url}/nowhere` }),
      WSError,
      "answered 404",
    );
    assertEquals([error.severity, error.status], ["fatal", 404]);
    assertEquals(error.headers?.get("x-why"), "unknown");
  },
);

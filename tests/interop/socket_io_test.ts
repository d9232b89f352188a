/**
 * Against the real Socket.IO server, in this process: its pings, its timeouts
 * and the times that it dictates.
 */

import { assertEquals, assertGreater } from "@std/assert";
import { createServer } from "node:http";
import { Server } from "socket.io";
import {
  heartbeats,
  type Message,
  type Session,
  type TransportName,
} from "../../mod.ts";
import { Guest } from "../support/client_world.ts";
import { Recorder, within } from "../support/events.ts";

interface Seen {
  pong: void;
  hello: string;
  disconnect: string;
}

/** The server pings often and waits long for the pong: machines are busy. */
const TIMES = { pingInterval: 50, pingTimeout: 4_000 };

class SocketIoServer implements AsyncDisposable {
  readonly seen = new Recorder<Seen>();
  readonly url: string;
  readonly #io: Server;

  private constructor(port: number, io: Server) {
    this.url = `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`;
    this.#io = io;
    io.on("connection", (socket) => {
      const { seen } = this;
      socket.conn.on("heartbeat", () => seen.add("pong", undefined));
      socket.on("hello", (text, acknowledge) => {
        seen.add("hello", text);
        acknowledge("welcome");
      });
      socket.on("disconnect", (reason) => seen.add("disconnect", reason));
    });
  }

  static async start(): Promise<SocketIoServer> {
    const http = createServer();
    const io = new Server(http, { ...TIMES, serveClient: false });
    const listening = new Promise((resolve) => http.once("listening", resolve));
    http.listen(0, "127.0.0.1");
    await within(listening, "the start of the server");
    const address = http.address();
    if (address === null || typeof address === "string") {
      throw new Error("the server has no port");
    }
    return new SocketIoServer(address.port, io);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(this.#io.close(), "the end of the server");
  }
}

for (const transport of ["native", "tcp"] satisfies TransportName[]) {
  Deno.test(`Socket.IO, ${transport}: its pings are answered and not delivered, and messages go both ways`, async () => {
    await using server = await SocketIoServer.start();
    let opened: Message = "";
    await using guest = await Guest.start({
      url: server.url,
      transport,
      ping: heartbeats.engineIo(),
    }, {
      onConnect: async (session: Session) => {
        opened = await session.receive();
        const { pingInterval, pingTimeout } = JSON.parse(
          String(opened).slice(1),
        );
        assertEquals({ pingInterval, pingTimeout }, TIMES);
        session.setHeartbeat({ idleTimeout: pingInterval + pingTimeout });
        session.send("40");
        assertEquals(String(await session.receive()).slice(0, 2), "40");
      },
    });
    const { seen } = server;
    await seen.until(() => seen.all("pong").length >= 3);
    await guest.client.send('420["hello","there"]');
    assertEquals(await seen.next("hello"), "there");
    assertEquals(await guest.calls.next("message"), '430["welcome"]');
    assertGreater(seen.all("pong").length, 2);
    assertEquals(guest.calls.all("message"), ['430["welcome"]']);
    assertEquals(guest.calls.all("error"), []);
    assertEquals(seen.all("disconnect"), []);
  });
}

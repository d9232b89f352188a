/**
 * A server that accepts every connection and closes it at once, over real
 * sockets: whoever takes an open for a success dials it in a hot loop.
 */

import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import type { WSConfig } from "../mod.ts";
import type { Peer } from "../src/server/peer.ts";
import { serve, type WebSocketServer } from "../src/server/server.ts";
import { forEachTransport } from "./support/transports.ts";

const BACKOFF = {
  initialBackoff: 20,
  backoffMultiplier: 2,
  maxBackoff: 10_000,
  jitter: 0,
} as const satisfies Partial<WSConfig>;
/** Doubled each time, though each attempt before it was a success. */
const WAITS = [20, 40, 80, 160, 320];
/** Timers of the runtime may be early by as much, ms. */
const EARLY = 2;

/** A server, and when somebody connected. */
class Slammer implements AsyncDisposable {
  readonly accepted: number[] = [];
  readonly #server: WebSocketServer;

  constructor(slam: (peer: Peer) => unknown) {
    this.#server = serve({
      onPeer: async (peer) => {
        this.accepted.push(performance.now());
        await slam(peer);
      },
    });
  }

  get url(): string {
    return this.#server.url;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }
}

const SLAMS: readonly (readonly [string, (peer: Peer) => unknown])[] = [
  ["with 1000", (peer) => peer.close(1000)],
  ["with 1011", (peer) => peer.close(1011)],
  ["without a close frame", (peer) => peer.drop()],
  ["by a reset", (peer) => peer.reset()],
  ["after a message", async (peer) => {
    await peer.send("welcome");
    await peer.close(1012);
  }],
];

for (const [how, slam] of SLAMS) {
  forEachTransport(
    `a server that closes at once ${how} is dialled ever more rarely`,
    async (transport) => {
      await using server = new Slammer(slam);
      await using guest = await transport.guest({
        url: server.url,
        ...BACKOFF,
      });
      for (const wait of WAITS) {
        assertEquals((await guest.calls.next("retry")).delay, wait);
      }
      const { accepted } = server;
      assertEquals(accepted.length, WAITS.length);
      for (const [index, time] of accepted.entries()) {
        const before = accepted[index - 1] ?? -Infinity;
        const wait = WAITS[index - 1] ?? 0;
        assertGreaterOrEqual(time - before, wait - EARLY);
      }
    },
  );
}

forEachTransport(
  "a list of servers that all close at once is dialled ever more rarely",
  async (transport) => {
    await using one = new Slammer((peer) => peer.close(1011));
    await using other = new Slammer((peer) => peer.close(1011));
    await using guest = await transport.guest({
      url: [one.url, other.url],
      ...BACKOFF,
    });
    // Within a round at once, then as with one server.
    for (const wait of WAITS.flatMap((wait) => [0, wait])) {
      assertEquals((await guest.calls.next("retry")).delay, wait);
    }
    assertEquals([one.accepted.length, other.accepted.length], [5, 5]);
  },
);

forEachTransport(
  "a connection that held for stableAfter begins again with the first wait",
  async (transport) => {
    let holds = false;
    await using server = new Slammer(async (peer) => {
      if (holds) await peer.receive();
      await peer.close(1011);
    });
    await using guest = await transport.guest({
      url: server.url,
      ...BACKOFF,
      stableAfter: 500,
    });
    const { client, calls } = guest;
    for (const wait of [20, 40, 80]) {
      assertEquals((await calls.next("retry")).delay, wait);
    }
    holds = true;
    const { connects } = client.stats;
    await calls.until(() => client.stats.connects > connects, "the connection");
    setTimeout(() => client.sendText("enough"), 520);
    assertEquals((await calls.next("retry")).delay, 20);
  },
);

forEachTransport(
  "successors that are closed at once do not make a rotation a hot loop",
  async (transport) => {
    let first: Peer | undefined;
    await using server = new Slammer((peer) => {
      first ??= peer;
      if (peer !== first) return peer.close(1011);
    });
    let gates = 0;
    await using guest = await transport.guest(
      { url: server.url, ...BACKOFF, maxConnectionAge: 50 },
      {
        // The gate of a successor waits for its end.
        onConnect: async (session) => {
          if (gates++ > 0) await session.receive();
        },
      },
    );
    await guest.calls.until(
      () => guest.calls.all("disconnect").length === WAITS.length,
      "failed rotations",
    );
    const gaps = server.accepted.slice(1).map((time, index) =>
      time - (server.accepted[index] ?? 0)
    );
    for (const [index, wait] of WAITS.slice(0, -1).entries()) {
      assertGreaterOrEqual(gaps[index + 1] ?? 0, wait - EARLY);
    }
    assertEquals(guest.client.state, "open");
  },
);

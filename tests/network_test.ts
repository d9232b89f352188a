/** A network that really loses packets: nobody is told, nothing is closed. */

import { assertEquals, assertLess, assertMatch } from "@std/assert";
import { Recorder } from "./support/events.ts";
import { testWith, testWithEach } from "./support/foreign_server.ts";
import {
  type Cut,
  findNetwork,
  type Host,
  type Network,
} from "./support/network.ts";

const PING_INTERVAL = 200;
/**
 * Longer than TCP takes to send a segment twice more, after 0.2 and 0.4 s: what
 * a way loses in the moment it comes back must not look like another cut.
 */
const PING_TIMEOUT = 1_000;
/**
 * How late a dead connection may be found, ms: one look of the heartbeat and
 * its confirmations are 140, the rest is for a busy machine.
 */
const LATENESS = 10_000;
/** TCP tries again ever more rarely; after a cut of 2 s that takes up to 4 s. */
const DEADLINE = 20_000;

/** Where the scripts `support/network_NAME.ts` run. */
const HOSTS = {
  client: "client",
  paused_client: "client",
  server: "server",
} as const satisfies Record<string, Host>;
type ScriptName = keyof typeof HOSTS;

/** A script on one of the hosts; what it prints, by the first word. */
class Remote implements AsyncDisposable {
  readonly lines = new Recorder<Record<string, string>>(DEADLINE);
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;

  constructor(network: Network, name: ScriptName, ...args: string[]) {
    const script = new URL(`support/network_${name}.ts`, import.meta.url);
    this.#child = network.command(HOSTS[name], Deno.execPath(), [
      ...["run", "--quiet", "--no-check", "--no-lock", "--allow-net"],
      script.href,
      ...args,
    ]).spawn();
    this.#reading = this.#read();
  }

  /** Writes a line to its stdin. */
  async say(line: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${line}\n`));
    writer.releaseLock();
  }

  /** Lets it know that it is enough. */
  endInput(): Promise<void> {
    return this.#child.stdin.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.stdin.close().catch(() => {}); // it may be closed
    await this.#child.status;
    await this.#reading;
  }

  async #read(): Promise<void> {
    let rest = "";
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [, name = "", detail = ""] = /^(\w+) ?(.*)$/.exec(line) ?? [];
        this.lines.add(name, detail);
      }
    }
  }
}

/** Whose ticks the client saw after the last event of this name. */
function peersAfter({ lines }: Remote, name: string): string[] {
  const before = lines.names.slice(0, lines.names.lastIndexOf(name));
  const count = before.filter((name) => name === "tick").length;
  return lines.all("tick").slice(count).map((line) => line.replace(/ .*/, ""));
}

const network = await findNetwork();

const CUTS: readonly (readonly [Cut, tries: RegExp])[] = [
  ["black hole", /^TIMEOUT$/],
  ["link down", /^(CONNECT|TIMEOUT)$/],
];

for (const [cut, tries] of CUTS) {
  testWithEach(
    network,
    `a way that is cut (${cut}) is noticed in time, and nothing is lost`,
    async (start, transport) => {
      await using network = await start();
      await using server = new Remote(network, "server", network.serverAddress);
      const port = await server.lines.next("listening");
      await using client = new Remote(
        network,
        "client",
        `ws://${network.serverAddress}:${port}`,
        transport.name,
        String(PING_INTERVAL),
        String(PING_TIMEOUT),
      );
      await client.lines.next("connect");
      // On a busy machine the first attempt may take longer than it has time.
      for (const _early of client.lines.all("retry")) {
        await client.lines.next("retry");
      }
      await server.lines.until(
        () => server.lines.all("got").length >= 10,
        "ten messages",
      );

      await network.cut(cut);
      const cutAt = performance.now();
      const end = await client.lines.next("disconnect");
      const elapsed = performance.now() - cutAt;
      console.log(`found after ${Math.round(elapsed)} ms`);
      assertEquals(end, "1006 HEARTBEAT");
      assertLess(elapsed, PING_INTERVAL + PING_TIMEOUT + LATENESS);
      assertEquals(await client.lines.next("retry"), "HEARTBEAT");
      // It goes on trying, in vain.
      for (let i = 0; i < 2; i++) {
        assertMatch(await client.lines.next("retry"), tries);
      }

      await network.restore(cut);
      await client.lines.next("connect");
      // By then TCP has brought what was on the old way.
      await server.lines.until(
        () => server.lines.all("gone").includes("0"),
        "the end of the old connection at the server",
      );
      await client.lines.until(
        () => peersAfter(client, "connect").length >= 10,
        "ten ticks of the new connection",
      );
      await client.endInput();
      const count = Number(await client.lines.next("flushed"));

      const got = server.lines.all("got").map((line) =>
        line.replace(/^\d+ /, "")
      );
      assertEquals(
        [...new Set(got)],
        Array.from({ length: count }, (_, index) => `message ${index}`),
      );
      assertEquals(new Set(peersAfter(client, "disconnect")).has("0"), false);
      assertEquals(client.lines.all("disconnect"), ["1006 HEARTBEAT"]);
    },
  );
}

const PAUSED: readonly (readonly [what: string, command: string])[] = [
  ["by what no longer leaves it", "send"],
  ["once it reads again", "read"],
];

for (const [what, command] of PAUSED) {
  testWith(
    network,
    `tcp: a paused connection whose way is cut is noticed ${what}`,
    async (start) => {
      await using network = await start();
      await using server = new Remote(network, "server", network.serverAddress);
      const port = await server.lines.next("listening");
      await using client = new Remote(
        network,
        "paused_client",
        `ws://${network.serverAddress}:${port}`,
        String(PING_INTERVAL),
        String(PING_TIMEOUT),
      );
      await client.lines.next("full");
      await network.cut("black hole");
      await client.say(command);
      assertEquals(await client.lines.next("disconnect"), "1006 HEARTBEAT");
      // What had arrived before is not lost.
      const ticks = client.lines.all("tick").map((line) =>
        Number(line.replace(/^.* /, ""))
      );
      assertEquals(ticks, ticks.map((_, index) => index));
      assertEquals(
        client.lines.all("read").length,
        {
          send: 0,
          read: ticks.length,
        }[command],
      );
    },
  );
}

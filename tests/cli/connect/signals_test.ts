import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
} from "@std/assert";
import { echo, feed } from "../../../src/server/behaviours.ts";
import type { PeerClose } from "../../../src/server/peer.ts";
import { serve } from "../../../src/server/server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { cli, CLOSING, onceQuicker } from "../session.ts";

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name:
      `${signal} closes with 1000, sums up, and is what the program dies of`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const closed = Promise.withResolvers<PeerClose>();
      await using server = serve({
        onPeer: (peer) => {
          peer.closed.then(closed.resolve);
          echo(peer);
        },
      });
      const session = cli(server.url).typing().start();
      await session.type("hello\n");
      await session.stdout.waitFor("hello");
      session.kill(signal);
      const result = await session.end;
      assertEquals(result.signal, signal);
      assertMatch(result.stderr, /received 1 message \(5 B\), sent 1 message/);
      const { code, wasClean } = await closed.promise;
      assertEquals({ code, wasClean }, { code: 1000, wasClean: true });
    },
  });
}

for (const transport of ["native", "tcp"] as const) {
  Deno.test({
    name:
      `what a socket still holds when a signal ends the program is not sent: ${transport}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using server = serve({
        onPeer: async (peer) => {
          await peer.send("deaf from now on");
          await peer.flush();
          peer.stopReading();
        },
      });
      // More than the buffers of the kernel hold, and all of it accepted.
      const line = `${"x".repeat(100_000)}\n`;
      const flags = ["--transport", transport, "--stats", "100ms"];
      const session = cli(server.url, ...flags).input(line.repeat(150)).start();
      await session.stderr.waitFor(isFull);
      session.kill("SIGINT");
      const { stderr } = await session.end;
      const [, sent = "", unsent = ""] =
        /sent (\d+) messages .*, (\d+) messages not sent$/m.exec(stderr) ?? [];
      assertGreater(Number(unsent), 0);
      assertEquals(Number(sent) + Number(unsent), 150);
    },
  });
}

/**
 * Whether all 150 messages are read, and none was written between two looks at
 * an open connection.
 */
function isFull(printed: string): boolean {
  const look = /^.*open: .*sent (\d+) messages .* (\d+) messages queued$/gm;
  const looks = [...printed.matchAll(look)].map(([, sent, queued]) =>
    [Number(sent), Number(queued)] as const
  );
  return looks.some(([sent, queued], i) =>
    sent + queued === 150 && looks[i - 1]?.[0] === sent
  );
}

/** A server that sends one message and answers no close. */
function deafServer() {
  return serve({
    onPeer: async (peer) => {
      await peer.send("deaf from now on");
      await peer.flush();
      peer.blackhole();
    },
  });
}

Deno.test({
  name: "a signal does not wait for a server that answers no close",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using server = deafServer();
    await onceQuicker(CLOSING, async () => {
      const session = cli(server.url).typing().start();
      await session.stdout.waitFor("deaf");
      const first = performance.now();
      session.kill("SIGINT");
      const { signal, stderr } = await session.end;
      assertEquals(signal, "SIGINT");
      assertMatch(stderr, /received 1 message/);
      return performance.now() - first;
    });
  },
});

Deno.test({
  name: "a signal ends a shutdown that waits for the server",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using server = deafServer();
    await onceQuicker(CLOSING, async () => {
      const session = cli(server.url, "-n", "1").typing().start();
      await session.stdout.waitFor("deaf");
      const first = performance.now();
      session.kill("SIGINT");
      assertEquals((await session.end).signal, "SIGINT");
      return performance.now() - first;
    });
  },
});

Deno.test({
  name: "a second signal ends the program at once, without a summary",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using server = deafServer();
    const session = cli(server.url).typing().start();
    await session.stdout.waitFor("deaf");
    session.kill("SIGINT");
    // Both are pending before the program looks, in an order that is not
    // defined, and the first one waits for the server.
    session.kill("SIGTERM");
    const { signal, stderr } = await session.end;
    assert(signal === "SIGINT" || signal === "SIGTERM", `${signal}`);
    assertEquals(stderr, "");
  },
});

Deno.test({
  name: "a signal ends the wait for a reconnect",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const flags = ["--initial-backoff", "10m", "--max-backoff", "10m"];
    const session = cli("ws://127.0.0.1:9", ...flags).typing().start();
    await session.stderr.waitFor("retry 1");
    session.kill("SIGINT");
    assertEquals((await session.end).signal, "SIGINT");
  },
});

// In a flood the event loop may not turn for many seconds, sooner or later.
const TRIES = 3;

for (
  const [how, flags] of Object.entries({
    "prints nothing": ["--grep", "nothing"],
    "prints nothing but -vv": ["--grep", "nothing", "-vv"],
    "writes a file": ["--output"],
  })
) {
  Deno.test({
    name: `a signal ends a program that is flooded and ${how}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using server = serve({
        onPeer: (peer) => {
          peer.onmessage = () => {};
          return feed({ rate: Infinity, message: (i) => `${i} short` })(peer);
        },
      });
      for (let i = 0; i < TRIES; i++) {
        using file = new TempFile();
        const path = flags.includes("--output") ? [file.path] : [];
        const session = cli(server.url, "-v", ...flags, ...path)
          .allow("--allow-all").start();
        await session.stderr.waitFor("connected");
        // By then it is in the flood.
        await new Promise((resolve) => setTimeout(resolve, 500));
        const start = performance.now();
        session.kill("SIGINT");
        assertEquals((await session.end).signal, "SIGINT");
        assertLess(performance.now() - start, 5_000);
      }
    },
  });
}

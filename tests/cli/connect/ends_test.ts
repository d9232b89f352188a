import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertNotMatch,
} from "@std/assert";
import { echo, feed } from "../../../src/server/behaviours.ts";
import type { Peer } from "../../../src/server/peer.ts";
import { serve } from "../../../src/server/server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { runInPty } from "../pty.ts";
import { cli, CLOSING, onceQuicker, type Running } from "../session.ts";

const isWindows = Deno.build.os === "windows";

/** A server that sends without end and reads nothing but what it must. */
function flood(filler = "x".repeat(1000)) {
  return serve({
    onPeer: (peer: Peer) => {
      peer.onmessage = () => {};
      return feed({ rate: Infinity, message: (i) => `${i} ${filler}` })(peer);
    },
  });
}

/** Resolves once it is true. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 20));
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

// Nothing shows that the pipe is full, and a busy machine takes long to fill it:
// a run that could write all of its output is repeated with more time.
const TIMES = [500, 2_000, 8_000, 20_000];
const UNWRITTEN = /were not written: the reader was too slow/;

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `${signal} ends the program though nobody reads its output`,
    ignore: isWindows,
    fn: async () => {
      await using server = flood();
      let told = "";
      for (const fills of TIMES) {
        const session = cli(server.url).start();
        session.stdout.pause();
        await session.stdout.waitFor("x");
        await new Promise((resolve) => setTimeout(resolve, fills));
        session.kill(signal);
        // With a blocking write it would wait for the reader for ever.
        await session.exited;
        session.stdout.resume();
        const result = await session.end;
        assertEquals(result.signal, signal);
        assertMatch(result.stderr, /received/);
        told = result.stderr;
        if (UNWRITTEN.test(told)) break;
      }
      assertMatch(told, UNWRITTEN);
    },
  });
}

for (const flags of [[], ["--json"]]) {
  const name = ["--timeout", ...flags].join(" with ");
  Deno.test(`${name} ends the program though nobody reads its output`, async () => {
    await using server = flood();
    let told = "";
    for (const fills of TIMES) {
      const timeout = `${fills}ms`;
      const session = cli(server.url, "--timeout", timeout, ...flags).start();
      session.stdout.pause();
      await session.exited;
      session.stdout.resume();
      const { code, stderr } = await session.end;
      assertMatch(stderr, /--timeout/);
      assertEquals(code, 124);
      told = stderr;
      if (UNWRITTEN.test(told)) break;
    }
    assertMatch(told, UNWRITTEN);
  });
}

for (const end of ["SIGINT", "--timeout", "a closed pipe"] as const) {
  Deno.test({
    name: `${end} ends a run that is past --for, and whose output nobody reads`,
    ignore: isWindows,
    fn: async () => {
      const flags = end === "--timeout" ? [end, "10s"] : [];
      // A busy machine may not fill the pipe within a short time, and then the
      // run ends by itself.
      for (let time = 500;; time *= 3) {
        const session = await pastFor(time, flags);
        if (end === "SIGINT") session.kill(end);
        if (end === "a closed pipe") session.stdout.close();
        await session.exited;
        session.stdout.resume();
        const { code, signal, stderr } = await session.end;
        if (end === "a closed pipe") return assertEquals(code, 0);
        if (code === 0) continue;
        assertMatch(stderr, /were not written/);
        assertEquals(signal, end === "SIGINT" ? end : null);
        if (end === "--timeout") assertEquals(code, 124);
        return;
      }
    },
  });
}

/** A run whose reader has stalled, once it has closed the connection. */
async function pastFor(
  time: number,
  flags: readonly string[],
): Promise<Running> {
  const closed = Promise.withResolvers<void>();
  await using server = serve({
    onPeer: (peer) => {
      peer.closed.then(() => closed.resolve());
      const message = "x".repeat(1000);
      return feed({ rate: Infinity, message: () => message })(peer);
    },
  });
  const session = cli(server.url, "--for", `${time}ms`, ...flags).start();
  session.stdout.pause();
  // It may end before it has connected.
  await Promise.race([closed.promise, session.exited]);
  return session;
}

for (const transport of ["native", "tcp"] as const) {
  for (const stalls of [false, true]) {
    const how = stalls ? " and stalls" : "";
    Deno.test({
      name:
        `Ctrl-C ends a session on a terminal that is flooded${how}: ${transport}`,
      ignore: isWindows,
      fn: async () => {
        await using server = flood();
        const flags = ["--transport", transport, "--color", "never"];
        const { words } = cli(server.url, ...flags);
        const { code, output, isRestored } = await runInPty(words, {
          pressAfter: 1e6,
          stalls,
        });
        assertEquals(code, Deno.version.deno.startsWith("2.6.") ? 130 : -2);
        assertMatch(output, /connected to/);
        assertMatch(output.slice(-300), /\[\?2004lws-stream: .*received/s);
        assert(isRestored);
      },
    });
  }
}

for (const transport of ["native", "tcp"] as const) {
  Deno.test({
    name:
      `Ctrl-D ends a session on a terminal that is flooded at once: ${transport}`,
    ignore: isWindows,
    fn: async () => {
      await using server = flood("short");
      const flags = ["--transport", transport, "--color", "never"];
      const { words } = cli(server.url, ...flags);
      const { code, isRestored, printedAfterKey } = await runInPty(words, {
        pressAfter: 1e6,
        key: "\x04",
      });
      assertEquals(code, 0);
      // A turn of the event loop may hold 16 MB of messages.
      assertLess(printedAfterKey, 1e6);
      assert(isRestored);
    },
  });
}

Deno.test("what came before a signal is printed, or said to be missing", async () => {
  await using server = flood();
  const session = cli(server.url).start();
  await session.stdout.waitFor("\n2000 ");
  session.kill("SIGTERM");
  const { stdout, stderr } = await session.end;
  const numbers = stdout.split("\n").slice(0, -1).map((line) => parseInt(line));
  assert(numbers.every((number, i) => number === i));
  // A busy machine does not read everything within the time that a signal has.
  assert(stdout.endsWith("x\n") || /were not written: the reader/.test(stderr));
});

Deno.test("a reader that goes ends the program, though the server answers no close", async () => {
  let connectedAt = 0;
  await using server = serve({
    onPeer: (peer) => {
      connectedAt = performance.now();
      peer.stopReading();
      return feed({ rate: 50 })(peer);
    },
  });
  const { words } = cli(server.url);
  const pipeline = '"$@" | head -1; exit ${PIPESTATUS[0]}';
  await onceQuicker(CLOSING, async () => {
    const result = await cli()
      .program("bash", "-c", pipeline, "bash", ...words).run();
    assertEquals(result.stdout.split("\n").length, 2);
    assertEquals(result.stderr, "");
    assertEquals(result.code, 0);
    return performance.now() - connectedAt;
  });
});

Deno.test({
  name: "a hang-up without a terminal is ignored, as nohup wants it",
  ignore: isWindows,
  fn: async () => {
    await using server = serve({ onPeer: echo });
    const session = cli(server.url).typing().start();
    await session.type("one\n");
    await session.stdout.waitFor("one");
    session.kill("SIGHUP");
    await session.type("two\n");
    await session.stdout.waitFor("two");
    await session.close();
    assertEquals((await session.end).code, 0);
  },
});

Deno.test({
  name: "a hang-up of the terminal closes the connection in order",
  ignore: isWindows,
  fn: async () => {
    using temp = new TempFile();
    const closed = Promise.withResolvers<number>();
    await using server = serve({
      onPeer: async (peer) => {
        peer.closed.then(({ code }) => closed.resolve(code));
        await peer.send("here");
      },
    });
    const { words } = cli(server.url, "-o", `${temp.folder}/feed.txt`)
      .allow("--allow-net", "--allow-read", "--allow-write");
    const written = until(() =>
      readText(`${temp.folder}/feed.txt.part`) === "here\n"
    );
    const end = runInPty(words, { hangUpWhen: written });
    assertEquals(await closed.promise, 1000);
    const { code } = await end;
    assertEquals(code, Deno.version.deno.startsWith("2.6.") ? 129 : -1);
    assertEquals(Deno.readTextFileSync(`${temp.folder}/feed.txt`), "here\n");
  },
});

Deno.test({
  name: "a hang-up ends an interactive session in order",
  ignore: isWindows,
  fn: async () => {
    const opened = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    await using server = serve({
      onPeer: (peer) => {
        peer.closed.then(({ code }) => closed.resolve(code));
        peer.onmessage = () => opened.resolve();
      },
    });
    const { words } = cli(server.url, "--on-open", "here");
    const end = runInPty(words, { hangUpWhen: opened.promise });
    assertEquals(await closed.promise, 1000);
    const { code } = await end;
    assertEquals(code, Deno.version.deno.startsWith("2.6.") ? 129 : -1);
  },
});

Deno.test("-n is 0 only if so many came", async (t) => {
  await t.step("a normal close before that is 4", async () => {
    await using server = serve({
      onPeer: async (peer) => {
        await peer.send("one");
        await peer.close(1000);
      },
    });
    const result = await cli(server.url, "-n", "3", "--no-reconnect").run();
    assertEquals(result.stdout, "one\n");
    assertMatch(result.stderr, /too early/);
    assertEquals(result.code, 4);
  });

  await t.step("a drop before that is 5", async () => {
    await using server = serve({ onPeer: (peer) => peer.drop() });
    const result = await cli(server.url, "-n1", "--no-reconnect").run();
    assertEquals(result.code, 5);
  });

  await t.step("no answer within --linger is 124", async () => {
    await using server = serve({ onPeer: () => {} });
    const result = await cli(server.url, "-n1", "--linger", "100ms")
      .input("hello\n").run();
    assertMatch(result.stderr, /--linger/);
    assertEquals(result.code, 124);
  });

  await t.step("what --grep hides does not count", async () => {
    await using server = serve({
      onPeer: (peer) => peer.sendMany(["a1", "b1", "a2", "b2", "a3"]),
    });
    const result = await cli(server.url, "--grep", "^a", "-n", "2").run();
    assertEquals(result.stdout, "a1\na2\n");
    assertEquals(result.code, 0);
  });
});

Deno.test("--until ends with 0 at the first message that matches, and only then", async () => {
  await using server = serve({
    onPeer: async (peer) => {
      await peer.sendMany(["wait", "wait", "ready", "more"]);
      await peer.close(1000);
    },
  });
  const ready = await cli(server.url, "--until", "^ready$", "--no-reconnect")
    .run();
  assertEquals(ready.stdout, "wait\nwait\nready\n");
  assertEquals(ready.code, 0);
  const never = await cli(server.url, "--until", "done", "--no-reconnect")
    .run();
  assertEquals(never.code, 4);
});

Deno.test("--for is a planned end: 0, and 124 only if -n asked for more", async () => {
  await using server = serve({ onPeer: (peer) => peer.send("one") });
  const planned = await cli(server.url, "--for", "500ms").run();
  assertEquals([planned.stdout, planned.stderr], ["one\n", ""]);
  assertEquals(planned.code, 0);
  const short = await cli(server.url, "--for", "500ms", "-n", "2").run();
  assertEquals(short.code, 124);
});

Deno.test("--await that nothing matches is told by its flag", async () => {
  await using server = serve({ onPeer: (peer) => peer.send("hello") });
  const flags = ["--await", "welcome", "--connect-timeout", "300ms"];
  const result = await cli(server.url, ...flags, "--no-reconnect").run();
  assertMatch(result.stderr, /No message matched --await within 300 ms/);
  assertNotMatch(result.stderr, /onConnect/);
  assertEquals(result.code, 124);
});

Deno.test("--once prints the answer and nothing else", async (t) => {
  await t.step("without what comes during the steps", async () => {
    await using server = serve({
      onPeer: async (peer) => {
        await peer.send("welcome");
        const request = String(await peer.receive());
        await peer.sendMany([`answer to ${request}`, "and more"]);
      },
    });
    const result = await cli(server.url, "--once", "--await", "^welcome")
      .input("question\n").run();
    assertEquals(result.stdout, "answer to question\n");
    assertEquals(result.code, 0);
  });

  await t.step(
    "no reconnect, so a close before the answer is told",
    async () => {
      await using server = serve({ onPeer: (peer) => peer.close(1011, "no") });
      const result = await cli(server.url, "--once").input("question\n").run();
      assertMatch(result.stderr, /1011/);
      assertEquals(result.code, 4);
    },
  );

  await t.step("the request can be --on-open", async () => {
    await using server = serve({ onPeer: echo });
    const result = await cli(server.url, "--once", "--on-open", "hello").run();
    assertEquals(result.stdout, "hello\n");
    assertEquals(result.code, 0);
  });
});

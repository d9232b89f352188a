import { assert, assertEquals, assertMatch } from "@std/assert";
import { cli, onceQuicker } from "../session.ts";

Deno.test("the demo needs this machine's network alone, and loses nothing in ten seconds", async () => {
  await onceQuicker(10_000, async () => {
    const { stdout, stderr, code, time } = await cli("demo")
      .allow("--allow-net=127.0.0.1").run();
    assertEquals(stdout.split("\n").slice(0, 3), [
      "connected; sending a test message...",
      "RX: hello from the ws-stream client",
      "disconnected gracefully.",
    ]);
    const summary = /sent (\d+), received (\d+), reconnects (\d+), lost (\d+)/;
    const [, sent, received, reconnects, lost] = summary.exec(stdout) ?? [];
    assert(Number(sent) > 500, `sent ${sent}`);
    assertEquals(received, sent);
    assert(Number(reconnects) >= 5, `reconnects ${reconnects}`);
    assertEquals(lost, "0");
    assertMatch(stdout, /503/);
    assertEquals(stderr, "");
    assertEquals(code, 0);
    return time;
  });
});

Deno.test("the demo ends at the first signal, whatever is broken just then", async () => {
  const sayings = [
    "connected\n",
    "the server restarts",
    "the network goes silent",
  ];
  for (const saying of sayings) {
    const demo = cli("demo").start();
    await demo.stdout.waitFor(saying);
    demo.kill("SIGINT");
    const { stdout, code } = await demo.end;
    assertMatch(stdout, /\ninterrupted: sent [\d,]+, received /);
    assertEquals(stdout.includes("lost"), false);
    assertEquals(code, 130);
  }
});

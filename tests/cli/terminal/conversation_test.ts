import { assertEquals, assertMatch } from "@std/assert";
import { ClientRun } from "../../../src/cli/run/client_run.ts";
import { sentences } from "../../../src/cli/run/connection_events.ts";
import { decoderOf } from "../../../src/cli/output/message_codec.ts";
import { styleOf } from "../../../src/cli/style.ts";
import { serve } from "../../../src/server/server.ts";
import { Recorder, within } from "../../support/events.ts";
import { Conversation } from "../../../src/cli/terminal/conversation.ts";

function conversation(
  form: "hex" | undefined = undefined,
  url = "ws://127.0.0.1:9",
) {
  const printed: string[] = [];
  const ignore = () => {};
  const run = new ClientRun({
    config: { url, sendQueueMaxSize: 2, initialBackoff: 1 },
    events: sentences({ good: ignore, trouble: ignore, detail: ignore }),
    deliver: ignore,
  });
  const talker = new Conversation(run, {
    print: (line) => printed.push(line),
    style: styleOf(false),
    decode: decoderOf(form),
    pingMessage: () => "ping",
  });
  const say = (text: string) => talker.onEvent({ kind: "line", text });
  return { printed, run, talker, say };
}

Deno.test("what cannot be sent at once is told at once", () => {
  const { printed, say, run } = conversation();
  ["one", "//two", "three"].forEach(say);
  assertEquals(printed, ["not sent: the queue is full"]);
  assertEquals(run.client.stats.queued, 2);
});

Deno.test("what is not of the form of --binary is told", () => {
  const { printed, say, run } = conversation("hex");
  say("zz");
  assertMatch(printed.join(), /must be hex: got "zz"/);
  assertEquals(run.client.stats.queued, 0);
});

Deno.test("/ping waits for one answer", () => {
  const { printed, say, talker } = conversation();
  talker.answered();
  say("/ping");
  talker.answered();
  talker.answered();
  assertEquals(printed.length, 1);
  assertMatch(printed.join(), /^answered after [\d.]+ ms$/);
});

Deno.test("a /ping that was not sent has no answer", () => {
  const { printed, say, talker } = conversation();
  ["one", "two", "/ping"].forEach(say);
  talker.answered();
  assertEquals(printed, ["not sent: the queue is full"]);
});

Deno.test("/close takes what a close frame takes, and nothing else", () => {
  const { printed, say, run } = conversation();
  say("/close 999");
  say("/close 1001");
  say("/close 3000.5");
  say("/close now");
  say("/close 5000");
  say("/close 3000 " + "ü".repeat(62));
  assertEquals(printed, [
    ...Array(5).fill("a close code is 1000 or 3000 to 4999"),
    "a reason has at most 123 bytes",
  ]);
  assertEquals(run.isOver, false);
  say("/close 3000 enough of it");
  assertEquals(run.isOver, true);
});

Deno.test("each command of /help is there", () => {
  const { printed, say } = conversation();
  say("/help");
  const commands = printed.join("\n").match(/^\/[a-z]+/gm) ?? [];
  assertEquals(commands, ["/ping", "/stats", "/reconnect", "/close"]);
  printed.length = 0;
  commands.slice(0, 3).forEach(say);
  assertEquals(printed.some((line) => line.includes("there is no")), false);
});

/** A conversation with a server that notes what becomes of its links. */
async function talkTo(
  runInteractive: (
    say: (text: string) => void,
    heard: Recorder<{ open: null; message: string; close: string }>,
  ) => Promise<void>,
) {
  const heard = new Recorder<{ open: null; message: string; close: string }>();
  await using server = serve({
    onPeer: (peer) => {
      heard.add("open", null);
      peer.onmessage = (data) => heard.add("message", String(data));
      peer.closed.then(({ code, reason }) =>
        heard.add("close", `${code} ${reason}`)
      );
    },
  });
  const { run, say, printed } = conversation(undefined, server.url);
  const ended = run.run();
  await heard.next("open");
  await run.opened;
  await runInteractive(say, heard);
  const { status } = await within(ended, "the end");
  return { status, printed };
}

Deno.test("what is typed is sent, with // for a leading /", async () => {
  const { status, printed } = await talkTo(async (say, heard) => {
    ["hello", "//me", " /no command", "/close"].forEach(say);
    await heard.next("close");
    assertEquals(heard.all("message"), ["hello", "/me", " /no command"]);
    assertEquals(heard.all("close"), ["1000 "]);
  });
  assertEquals(status, 0);
  assertEquals(printed, []);
});

Deno.test("/close says its code and its words, as many as a close frame holds", async () => {
  await talkTo(async (say, heard) => {
    say(`/close 4999 so long ${"x".repeat(115)}`);
    assertEquals(await heard.next("close"), `4999 so long ${"x".repeat(115)}`);
  });
});

Deno.test("/reconnect drops the link and dials again", async () => {
  const { printed } = await talkTo(async (say, heard) => {
    say("/reconnect");
    await heard.next("close");
    await heard.next("open");
    say("/quit");
  });
  assertEquals(printed, []);
});

Deno.test("Ctrl-D ends it with 0, Ctrl-C by the signal, Ctrl-L not at all", async () => {
  const ended = conversation();
  ended.talker.onEvent({ kind: "clear-screen" });
  assertEquals(ended.run.isOver, false);
  ended.talker.onEvent({ kind: "end" });
  assertEquals((await ended.run.run()).status, 0);
  const interrupted = conversation();
  interrupted.talker.onEvent({ kind: "interrupt" });
  assertEquals((await interrupted.run.run()).status, "SIGINT");
});

Deno.test("a command that there is not is told, and not sent", () => {
  const { printed, say, run } = conversation();
  say("/pnig");
  assertEquals(printed, [
    "there is no /pnig; /help lists all, //TEXT sends /TEXT",
  ]);
  assertEquals(run.client.stats.queued, 0);
});

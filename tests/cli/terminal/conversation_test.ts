import { assertEquals, assertMatch } from "@std/assert";
import { ClientRun } from "../../../src/cli/run/client_run.ts";
import { sentences } from "../../../src/cli/run/link_events.ts";
import { decoderOf } from "../../../src/cli/output/message_codec.ts";
import { styleOf } from "../../../src/cli/style.ts";
import { Conversation } from "../../../src/cli/terminal/conversation.ts";

function conversation(form: "hex" | undefined = undefined) {
  const printed: string[] = [];
  const ignore = () => {};
  const run = new ClientRun({
    config: { url: "ws://127.0.0.1:9", sendQueueMaxSize: 2 },
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
  say("/close 3000 " + "ü".repeat(62));
  assertEquals(printed.length, 5);
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

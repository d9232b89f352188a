import { assertEquals, assertMatch } from "@std/assert";
import { decoderOf } from "../../../src/cli/output/message_codec.ts";
import { ClientRun, type RunResult } from "../../../src/cli/run/client_run.ts";
import type { Source } from "../../../src/cli/run/input.ts";
import type { LinkEvents } from "../../../src/cli/run/link_events.ts";
import {
  sendInput,
  type SendInputOptions,
} from "../../../src/cli/run/send_input.ts";
import type { SendOverflow } from "../../../mod.ts";
import { serve } from "../../../src/server/server.ts";

/** Input in these pieces, and then its end. */
function source(...pieces: readonly string[]): Source {
  const rest = [...pieces];
  return {
    read(buffer) {
      const piece = rest.shift();
      return Promise.resolve(
        piece === undefined
          ? null
          : new TextEncoder().encodeInto(piece, buffer).written,
      );
    },
  };
}

interface Sent extends RunResult {
  readonly heard: readonly string[];
  readonly drops: number;
}

async function send(
  options: Partial<SendInputOptions>,
  overflow: SendOverflow = "wait",
): Promise<Sent> {
  const heard: string[] = [];
  let drops = 0;
  await using server = serve({
    onPeer: (peer) => {
      peer.onmessage = (data) => void heard.push(String(data));
    },
  });
  const ignore = () => {};
  const events: LinkEvents = {
    ...{ open: ignore, close: ignore, retry: ignore, gap: ignore },
    error: ignore,
    drop: () => drops++,
  };
  const run = new ClientRun({
    config: { url: server.url, sendQueueMaxSize: 3, overflow },
    events,
    deliver: ignore,
    timeout: 1_000,
    begin: (run) =>
      sendInput(run, {
        source: source(),
        delimiter: new TextEncoder().encode("\n"),
        maxBytes: 1_000,
        decode: decoderOf(undefined),
        linger: 0,
        ...options,
      }),
  });
  return { ...await run.run(), heard, drops };
}

Deno.test("more than the queue holds is sent, in order, and then it ends", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => `${i}`);
  const { heard, ending, unsent } = await send({
    source: source(lines.join("\n")),
  });
  assertEquals(heard, lines);
  assertEquals([ending, unsent.unsent], [0, 0]);
});

Deno.test("input without one byte ends nothing", async () => {
  const { outcome } = await send({ source: source() });
  assertEquals(outcome.kind, "timeout");
});

Deno.test("one empty line is an empty message", async () => {
  const { heard, outcome } = await send({ source: source("\n") });
  assertEquals(heard, [""]);
  assertEquals(outcome.kind, "done");
});

Deno.test("what cannot be a message ends it with 2", async () => {
  const { outcome, ending } = await send({
    source: source("good\nzz\n"),
    decode: decoderOf("hex"),
  });
  assertEquals([outcome.kind, ending], ["failed", 2]);
  assertMatch(outcome.kind === "failed" ? outcome.error.message : "", /hex/);
});

Deno.test("with overflow reject what does not fit is told as dropped, and the rest is sent", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => `${i}`);
  const { heard, drops, ending } = await send({
    source: source(lines.join("\n")),
  }, "reject");
  assertEquals(drops, 47);
  assertEquals(heard, ["0", "1", "2"]);
  assertEquals(ending, 0);
});

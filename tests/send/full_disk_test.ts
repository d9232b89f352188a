/** A spool on a disk that is full to the last byte. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Redelivery } from "../../src/config.ts";
import { WSError } from "../../src/errors.ts";
import type { Sender } from "../../src/send/sender.ts";
import { nextTurn } from "../../src/turns.ts";
import { hasSmallDisks, SmallDisk } from "../support/small_disk.ts";
import { TempFile } from "../support/temp_file.ts";
import { FakeSocket, TCP } from "./fake_socket.ts";
import { emptySpool, fillSpool, sendSoon } from "./fill_spool.ts";
import { setUp, STOPPED } from "./set_up.ts";

const ignore = !hasSmallDisks();
const BY_TEXT = { id: String, acknowledged: String };
const MODES: Record<string, Redelivery> = {
  unflushed: "unflushed",
  none: "none",
  acknowledged: BY_TEXT,
};

for (const [mode, redeliver] of Object.entries(MODES)) {
  Deno.test({
    name:
      `a spool that has filled its disk is sent and erased, and accepts messages again: ${mode}`,
    ignore,
    async fn() {
      using disk = new SmallDisk(2048);
      const { sender, ...told } = await opened(disk, redeliver);
      const accepted = await fillSpool(sender);
      await assertWorks(disk, sender, redeliver, accepted);
      assertEquals(told, { ...told, dropped: [], errors: [] });
    },
  });

  Deno.test({
    name:
      `a spool on a disk that another program has filled is sent and erased, and accepts messages again: ${mode}`,
    ignore,
    async fn() {
      using disk = new SmallDisk(2048);
      const { sender, ...told } = await opened(disk, redeliver);
      const accepted = await fillSpool(sender);
      disk.fill();
      await assertWorks(disk, sender, redeliver, accepted);
      assertEquals(told, { ...told, dropped: [], errors: [] });
    },
  });

  Deno.test({
    name:
      `a spool whose process has filled the disk and was killed is sent and erased by the next one: ${mode}`,
    ignore,
    async fn() {
      using disk = new SmallDisk(2048);
      const stdout = await runFiller(disk, "killed", ["--allow-all"]);
      const accepted = stdout.split("\n");
      disk.fill();
      const { sender, ...told } = await opened(disk, redeliver);
      assertEquals(sender.stats.queued, accepted.length);
      await assertWorks(disk, sender, redeliver, accepted);
      assertEquals(told, { ...told, dropped: [], errors: [] });
    },
  });
}

Deno.test({
  name:
    "a spool that has filled its disk is sent and erased with permission for the file alone",
  ignore,
  async fn() {
    using disk = new SmallDisk(2048);
    const path = `${disk.folder}/queue`;
    const flags = [`--allow-read=${path}`, `--allow-write=${path}`];
    assertMatch(await runFiller(disk, "sent", flags), /^\d{2,} true\n$/);
    assertEquals(disk.names(), ["queue"]);
    const { sender } = await opened(disk);
    assertEquals(sender.stats.queued, 1);
    sender.end(STOPPED);
  },
});

Deno.test({
  name:
    "messages that are acknowledged here and there are erased on a full disk, too",
  ignore,
  async fn() {
    using disk = new SmallDisk(4096);
    const { sender, dropped, errors } = await opened(disk, BY_TEXT);
    const accepted: string[] = [];
    let isFull = false;
    for (let serial = 0; !isFull; serial += 200) {
      const texts = Array.from(
        { length: 200 },
        (_, i) => `${serial + i} `.padEnd(100, "x"),
      );
      const sent = await Promise.allSettled(texts.map((t) => sender.send(t)));
      accepted.push(...texts.filter((_, i) => sent[i]?.status === "fulfilled"));
      isFull = sent.some(({ status }) => status === "rejected");
    }
    assert(accepted.length > 1_000, `${accepted.length} messages`);
    disk.fill();
    sender.attach(new FakeSocket({ ...TCP, bytes: 1e9 }));
    const kept = accepted.filter((_, i) => i % 7 > 0);
    for (const [i, text] of accepted.entries()) {
      if (i % 7 === 0) sender.acknowledge(text);
    }
    sender.end(STOPPED);
    await sender.closed;
    assertEquals(numbers(await contents(disk)), numbers(kept));
    assertEquals([dropped, errors], [[], []]);
  },
});

Deno.test({
  name: "what did not fit on the disk is no damage to the log",
  ignore,
  async fn() {
    using disk = new SmallDisk(1024);
    using copy = new TempFile();
    const { sender } = await opened(disk);
    const large = sender.send("x".repeat(2_000_000));
    assertEquals((await assertRejects(() => large, WSError)).code, "SPOOL");
    await sender.send("small");
    for (const name of disk.names()) {
      Deno.copyFileSync(`${disk.folder}/${name}`, `${copy.folder}/${name}`);
    }
    sender.end(STOPPED);
    const spool = `${copy.folder}/queue`;
    const { sender: next, errors } = setUp({ spool }, { turn: nextTurn });
    await next.open();
    await new Promise<void>((resolve) => nextTurn(resolve));
    assertEquals([next.stats.queued, errors], [1, []]);
    next.end(STOPPED);
  },
});

async function opened(disk: SmallDisk, redeliver: Redelivery = "unflushed") {
  const spool = `${disk.folder}/queue`;
  const made = setUp({ spool, redeliver, sendQueueMaxSize: 100_000 }, {
    turn: nextTurn,
  });
  await made.sender.open();
  return made;
}

/** Sends a full spool, then more, and looks for that in the file. */
async function assertWorks(
  disk: SmallDisk,
  sender: Sender,
  redeliver: Redelivery,
  accepted: readonly string[],
): Promise<void> {
  assert(accepted.length > 20, `${accepted.length} messages`);
  assertEquals(numbers(await emptySpool(sender)), numbers(accepted));
  const later = Array.from({ length: 10 }, (_, i) => `${i} later`);
  for (const text of later) await sendSoon(sender, text.padEnd(50_000));
  sender.end(STOPPED);
  assertEquals(disk.names().filter((name) => name !== "other"), ["queue"]);
  assertEquals(numbers(await contents(disk, redeliver)), numbers(later));
}

async function contents(
  disk: SmallDisk,
  redeliver?: Redelivery,
): Promise<string[]> {
  const { sender } = await opened(disk, redeliver);
  const socket = new FakeSocket({ ...TCP, bytes: 1e9 });
  sender.attach(socket);
  sender.end(STOPPED);
  return socket.texts;
}

async function runFiller(
  disk: SmallDisk,
  what: "killed" | "sent",
  flags: readonly string[],
): Promise<string> {
  const script = new URL("./spool_filler.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", ...flags],
      ...[script.pathname, `${disk.folder}/queue`, what],
    ],
    stderr: "inherit",
    signal: AbortSignal.timeout(60_000),
  }).output();
  return new TextDecoder().decode(stdout);
}

function numbers(texts: readonly string[]): number[] {
  return texts.map((text) => parseInt(text));
}

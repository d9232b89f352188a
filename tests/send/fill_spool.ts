import { WSError } from "../../src/errors.ts";
import type { Sender } from "../../src/send/sender.ts";
import { FakeSocket, TCP } from "./fake_socket.ts";

/** Sends until nothing fits, not even a few bytes; what was accepted. */
export async function fillSpool(sender: Sender): Promise<string[]> {
  const accepted: string[] = [];
  let serial = 0;
  for (const size of [60_000, 5_000, 10]) {
    for (let refused = 0; refused < 3;) {
      const text = `${serial++} `.padEnd(size, "x");
      try {
        await sender.send(text);
        accepted.push(text);
      } catch (error) {
        if (!(error instanceof WSError && error.code === "SPOOL")) throw error;
        refused++;
      }
    }
  }
  return accepted;
}

/**
 * A connection comes, and takes all messages; what it got. The text of a
 * message is also its acknowledgement.
 */
export async function emptySpool(sender: Sender): Promise<string[]> {
  const socket = new FakeSocket(TCP);
  sender.attach(socket);
  let acknowledged = 0;
  for (let round = 0; !(await sender.flush(20)); round++) {
    if (round === 500) {
      throw new Error(`${sender.stats.queued} messages are left`);
    }
    socket.drain();
    sender.onProgress();
    for (const text of socket.texts.slice(acknowledged)) {
      sender.acknowledge(text);
      acknowledged++;
    }
  }
  sender.detach({ flushed: true });
  return socket.texts;
}

/** Sends when the room of erased messages has been given back. */
export async function sendSoon(sender: Sender, text: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (true) {
    try {
      return await sender.send(text);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

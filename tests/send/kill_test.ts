import { assert, assertEquals } from "@std/assert";
import type { Peer } from "../../src/server/peer.ts";
import { serve } from "../../src/server/server.ts";
import { TempFile } from "../support/temp_file.ts";

/** What the server does while a process lives. */
const LIVES = ["reads", "stalls", "refuses", "drops", "reads"] as const;

for (const mode of ["unflushed", "acknowledged"] as const) {
  Deno.test(`kill -9, ${mode}: what was accepted is sent after the restart, in order, before anything newer`, async () => {
    using file = new TempFile();
    let doing: typeof LIVES[number] = "reads";
    let peer: Peer | undefined;
    const received: number[] = [];
    await using server = serve({
      accept: () => doing === "refuses" ? { status: 503 } : undefined,
      onPeer(newcomer) {
        peer = newcomer;
        let count = 0;
        newcomer.onmessage = (data) => {
          received.push(Number(data));
          if (doing === "drops" && ++count === 50) newcomer.drop();
          else if (mode === "acknowledged") return newcomer.send(data);
        };
        if (doing === "stalls") newcomer.stopReading();
      },
      onError: () => {},
    });
    const accepted: number[] = [];
    for (const [life, what] of LIVES.entries()) {
      doing = what;
      const child = run(server.url, file.path, mode, 100_000 * life);
      accepted.push(...await killedAfter(child, 200));
      // What the kernel still has of it comes first.
      peer?.resumeReading();
      await peer?.closed;
    }
    const child = run(server.url, file.path, mode, "drain");
    assertEquals((await child.output()).code, 0);

    const first = [...new Set(received)];
    assertEquals(first, first.toSorted((a, b) => a - b), "in order");
    const seen = new Set(received);
    assertEquals(accepted.filter((number) => !seen.has(number)), []);
    assert(accepted.length >= 200 * LIVES.length);
  });
}

function run(
  url: string,
  path: string,
  mode: string,
  from: number | string,
): Deno.ChildProcess {
  const script = new URL("../support/spool_client.ts", import.meta.url);
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all", script.pathname],
      ...[url, path, mode, String(from)],
    ],
    stdout: "piped",
  }).spawn();
}

/** Kills it when it has accepted so many; all that it had accepted by then. */
async function killedAfter(
  child: Deno.ChildProcess,
  count: number,
): Promise<number[]> {
  let text = "";
  let isAlive = true;
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (isAlive && text.split("\n").length > count) {
      child.kill("SIGKILL");
      isAlive = false;
    }
  }
  await child.status;
  return text.split("\n").slice(0, -1).map(Number);
}

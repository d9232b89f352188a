/**
 * Starts a NATS server with JetStream, where there is one.
 *
 * @module
 */

import { canRun, type Program } from "../support/foreign_server.ts";
import { Lines } from "./example.ts";

/** A server in a process of its own, on a port that it chose. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
}

/** Where Debian puts it; not everyone has that in the PATH. */
const PLACES = ["nats-server", "/usr/sbin/nats-server"];

/** The program, or why it is missing. */
export async function findNats(): Promise<Program<() => Promise<NatsServer>>> {
  for (const program of PLACES) {
    if (await canRun(program, "--version")) {
      return { start: () => startNats(program) };
    }
  }
  return { missing: "nats-server is not installed" };
}

async function startNats(program: string): Promise<NatsServer> {
  const folder = await Deno.makeTempDir();
  const child = new Deno.Command(program, {
    args: ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = new Lines("nats-server");
  const read = log.readFrom(child.stderr);
  const stop = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
    await read;
    await Deno.remove(folder, { recursive: true });
  };
  try {
    await log.matching(/Server is ready/);
    const [line = ""] = await log.matching(/client connections on /);
    const [address] = line.match(/127\.0\.0\.1:\d+/) ?? [];
    return { url: `nats://${address}`, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Exact writing to stdout, which may be a pipe that does not block: a parent may
 * have given us one with `O_NONBLOCK` set.
 *
 * The second thread gets the texts of these functions (`writer_thread.ts`), so
 * that they may use nothing from outside but each other.
 *
 * @module
 */

import { pause, type Write } from "../stdio.ts";

/**
 * A writer to stdout. Where a pipe is full and does not block, an error of the
 * runtime does not say how much it has written, unless that can only be all or
 * nothing. Once much was written without an error, larger parts are quicker.
 */
export function stdoutWriter(): Write {
  const isTerminal = Deno.stdout.isTerminal();
  let carefully = 1024 * 1024;
  return async (bytes) => {
    const part = carefully > 0 ? wholePart(bytes) : bytes;
    try {
      const count = await Deno.stdout.write(part);
      if (!isTerminal) carefully -= count;
      return count;
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      if (carefully <= 0) {
        throw new Error("the pipe is full, and does not block");
      }
      carefully = Infinity;
      if (!isHeld(part)) {
        await pause();
        return 0;
      }
      await flushStdout();
      return part.length;
    }
  };
}

/**
 * The start of the bytes that a full pipe that does not block takes whole or not
 * at all (`PIPE_BUF`): the runtime writes up to the last newline, and the rest
 * later. Without a newline it writes everything.
 */
export function wholePart(bytes: Uint8Array): Uint8Array {
  const part = bytes.subarray(0, Deno.build.os === "linux" ? 4096 : 512);
  const end = part.lastIndexOf(0x0a) + 1;
  return end > 0 ? part.subarray(0, end) : part;
}

/**
 * Whether the runtime keeps such a part for the next write when the pipe is full:
 * its own buffer takes fewer than 1024 bytes, if no newline is among them.
 */
export function isHeld(part: Uint8Array): boolean {
  return part.length < 1024 && part.at(-1) !== 0x0a;
}

/** Waits until the pipe has taken the bytes that the runtime holds. */
export async function flushStdout(): Promise<void> {
  for (;;) {
    try {
      await Deno.stdout.write(new Uint8Array());
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await pause();
    }
  }
}

/**
 * A worker that reads a file or FIFO in pieces, with pauses between them: a
 * message has the path and the pauses; all the bytes are sent to its port.
 *
 * @module
 */

/** How to read: so many bytes at most, then so many milliseconds of nothing. */
export interface SlowRead {
  readonly most: number;
  readonly pause: number;
}

/** What to read, and how; the last way lasts to the end. */
export interface SlowReading {
  readonly path: string;
  readonly reads: readonly SlowRead[];
  /** Takes a message once the file is open, then all the bytes. */
  readonly port: MessagePort;
}

async function read({ path, reads, port }: SlowReading): Promise<Uint8Array> {
  using file = await Deno.open(path);
  port.postMessage("open");
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0;; i++) {
    const { most, pause } = reads[Math.min(i, reads.length - 1)] ??
      { most: 65_536, pause: 0 };
    const chunk = new Uint8Array(most);
    const length = await file.read(chunk);
    if (length === null) break;
    chunks.push(chunk.subarray(0, length));
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

addEventListener("message", async (event) => {
  if (!(event instanceof MessageEvent)) return;
  const reading: SlowReading = event.data;
  reading.port.postMessage(await read(reading));
});

/** What carries the frames: TCP, a Unix socket, or TLS over either. */
export interface ByteStream {
  /** Resolves to the number of bytes read; `null` is the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Resolves to the number of bytes written, at least one. */
  write(bytes: Uint8Array): Promise<number>;
  /** Tells the other side that nothing more will be written. */
  closeWrite(): Promise<void>;
  /** Ends pending reads and writes at once. Not to be called twice. */
  close(): void;
}

/**
 * Whether `node:tls` works over sockets of `node:net` only. Before Deno 2.8 it
 * blocks the event loop over other streams: for ever, once ten records wait to
 * be written or the server has ended TLS.
 */
export const NEEDS_NODE_SOCKET = /^2\.[67]\./.test(Deno.version.deno);

/** Writes all of it. */
export async function writeAll(
  stream: ByteStream,
  bytes: Uint8Array,
): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    rest = rest.subarray(await stream.write(rest));
  }
}

/** Reads until the buffer is full. @returns whether it is; false at the end */
export async function readFull(
  stream: ByteStream,
  into: Uint8Array,
): Promise<boolean> {
  for (let rest = into; rest.length > 0;) {
    const count = await stream.read(rest);
    if (count === null) return false;
    rest = rest.subarray(count);
  }
  return true;
}

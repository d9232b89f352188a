/** The bare connection: a `Deno.TcpConn` or a `Deno.TlsConn`. */
export interface Transport {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  /**
   * Ends both directions; a FIN is sent. Deno 2.6 does not interrupt a write
   * that is under way: there the socket stays until the client reads or goes.
   */
  close(): void;
  /** Ends both directions by a reset, where the runtime can. */
  reset?(): void;
}

/** Writes all of it. */
export async function writeAll(
  transport: Transport,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await transport.write(bytes.subarray(at));
  }
}

/**
 * Sends a FIN and reads on until the client has hung up too. Closing at once,
 * with input unread, would send a reset, and what was written last could be
 * lost with it. It does not bound the time: closing the transport ends it.
 */
export async function linger(transport: Transport): Promise<void> {
  const rest = new Uint8Array(4096);
  try {
    await transport.closeWrite();
    while (await transport.read(rest) !== null);
  } catch {
    // The client reset it, or the deadline closed it: gone in any case.
  }
}

/** Closes it, if nobody has. */
export function closeQuietly(transport: Transport): void {
  try {
    transport.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

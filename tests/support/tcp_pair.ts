/** The two ends of one TCP connection on 127.0.0.1. */
export interface TcpPair extends Disposable {
  /** Connected. */
  readonly client: Deno.TcpConn;
  /** Accepted. */
  readonly server: Deno.TcpConn;
}

/** A fresh connection; both ends are closed when it is disposed of. */
export async function tcpPair(): Promise<TcpPair> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  return {
    client,
    server,
    [Symbol.dispose]() {
      for (const conn of [client, server]) {
        try {
          conn.close();
        } catch {
          // The test has closed it.
        }
      }
    },
  };
}

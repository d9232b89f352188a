/**
 * A port of this machine that is free, for a server that cannot choose one
 * itself. No system gives it to a socket that asks for any port: those are from
 * 32768 on Linux, from 49152 elsewhere. So it stays free until the server starts.
 */
export function freePort(): number {
  for (;;) {
    const port = 16_000 + Math.floor(Math.random() * 16_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

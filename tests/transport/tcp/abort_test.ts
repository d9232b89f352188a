import { assertEquals, assertRejects } from "@std/assert";
import { TcpTransport } from "../../../src/transport/tcp/tcp_transport.ts";

Deno.test("a dial that is aborted at the last moment leaves no connection behind", async () => {
  // Accepts and says nothing: each dial can only end by its signal.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted: Deno.TcpConn[] = [];
  const accepting = (async () => {
    for await (const conn of listener) accepted.push(conn);
  })();
  const url = new URL(`ws://127.0.0.1:${listener.addr.port}/`);
  const transport = new TcpTransport();
  let opened = 0;
  for (let i = 0; i < 1_000; i++) {
    const abort = new AbortController();
    const dialling = transport.connect({ url, subprotocols: [] }, abort.signal);
    if (i % 2 === 0) setTimeout(() => abort.abort());
    else Promise.resolve().then(() => abort.abort());
    await dialling.then(() => opened++, () => {});
  }
  assertEquals(opened, 0);
  listener.close();
  await accepting;
  for (const conn of accepted) conn.close();
  // The sanitizers see what was left.
});

Deno.test("a dial ends when it is aborted, though the runtime still resolves the name", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const resolved = Promise.withResolvers<void>();
  const { connect } = Deno;
  // As in Deno 2.6, which does not hear the signal meanwhile.
  const slow = async () => {
    await resolved.promise;
    return await connect({ hostname: "127.0.0.1", port });
  };
  Object.defineProperty(Deno, "connect", { value: slow });
  try {
    const abort = new AbortController();
    const url = new URL(`ws://127.0.0.1:${port}/`);
    const dialling = new TcpTransport()
      .connect({ url, subprotocols: [] }, abort.signal);
    abort.abort();
    await assertRejects(() => dialling);
  } finally {
    Object.defineProperty(Deno, "connect", { value: connect });
  }
  // The connection that comes too late is closed.
  resolved.resolve();
  using conn = await listener.accept();
  assertEquals(await conn.read(new Uint8Array(1)), null);
  listener.close();
});

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { listen } from "../../src/server/listener.ts";
import { certificates } from "../support/certificates.ts";

Deno.test("it listens on a free port of 127.0.0.1 by default", async () => {
  const listener = listen({});
  const { hostname, port } = listener.addr;
  assertEquals(hostname, "127.0.0.1");
  using client = await Deno.connect({ hostname, port });
  const { transport, remote } = await listener.accept();
  assertEquals(remote.port, client.localAddr.port);
  await transport.write(Uint8Array.of(7));
  const got = new Uint8Array(1);
  await client.read(got);
  assertEquals(got[0], 7);
  transport.close();
  listener.close();
});

Deno.test("with a certificate it speaks TLS, and offers protocols", async () => {
  const { ca, good } = await certificates();
  const listener = listen({ tls: good, alpn: ["http/1.1"] });
  const { port } = listener.addr;
  const [{ transport }, client] = await Promise.all([
    listener.accept(),
    Deno.connectTls({
      hostname: "localhost",
      port,
      caCerts: [ca],
      alpnProtocols: ["http/1.1"],
    }),
  ]);
  const [, { alpnProtocol }] = await Promise.all([
    transport.write(Uint8Array.of(7)),
    client.handshake(),
  ]);
  assertEquals(alpnProtocol, "http/1.1");
  client.close();
  transport.close();
  listener.close();
});

Deno.test("a port that is taken is refused", () => {
  const listener = listen({});
  assertThrows(
    () => listen({ port: listener.addr.port }),
    Deno.errors.AddrInUse,
  );
  listener.close();
});

Deno.test("closing ends the accept that waits", async () => {
  const listener = listen({});
  const accepting = listener.accept();
  listener.close();
  await assertRejects(() => accepting);
});

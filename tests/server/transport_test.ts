import { assertEquals } from "@std/assert";
import {
  closeQuietly,
  linger,
  type Transport,
  writeAll,
} from "../../src/server/transport.ts";
import { tcpPair } from "../support/tcp_pair.ts";

Deno.test("all bytes are written, however few are taken at a time", async () => {
  const written: number[] = [];
  const transport: Transport = {
    read: () => Promise.resolve(null),
    write: (bytes) => {
      written.push(...bytes.subarray(0, 3));
      return Promise.resolve(Math.min(3, bytes.length));
    },
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  await writeAll(transport, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
  assertEquals(written, [1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("lingering ends when the other side hangs up", async () => {
  using pair = await tcpPair();
  const lingering = linger(pair.server);
  assertEquals(await pair.client.read(new Uint8Array(1)), null);
  await pair.client.write(new Uint8Array(10_000));
  pair.client.close();
  await lingering;
});

Deno.test("lingering ends when the connection is closed here", async () => {
  using pair = await tcpPair();
  const lingering = linger(pair.server);
  pair.server.close();
  await lingering;
});

Deno.test("what is closed already may be closed again", async () => {
  using pair = await tcpPair();
  closeQuietly(pair.server);
  closeQuietly(pair.server);
});

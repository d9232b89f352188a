import { assertEquals } from "@std/assert";
import { TcpPeer, type TcpScript } from "./tcp_peer.ts";
import { ToxicProxy, type Toxics } from "./toxic_proxy.ts";
import { within } from "./events.ts";

/** Sends back what comes. */
const mirror: TcpScript = async ({ conn, write }) => {
  const buffer = new Uint8Array(1024);
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) return;
    await write(buffer.slice(0, count));
  }
};

/** Reads this many bytes, or what comes before the end. */
async function readUpTo(conn: Deno.Conn, count: number): Promise<number> {
  const buffer = new Uint8Array(1024);
  let got = 0;
  while (got < count) {
    const read = await within(conn.read(buffer), "a read");
    if (read === null) break;
    got += read;
  }
  return got;
}

async function rig(toxics?: Toxics | ((connection: number) => Toxics)) {
  const stack = new AsyncDisposableStack();
  const peer = stack.use(new TcpPeer(mirror));
  const proxy = stack.use(new ToxicProxy(peer.port, toxics));
  const dial = async () =>
    stack.use(await Deno.connect({ hostname: "127.0.0.1", port: proxy.port }));
  return {
    proxy,
    dial,
    conn: await dial(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("a proxy without toxics passes bytes and the end on", async () => {
  await using r = await rig();
  await r.conn.write(new Uint8Array(700));
  assertEquals(await readUpTo(r.conn, 700), 700);
  await r.conn.closeWrite();
  assertEquals(await readUpTo(r.conn, 1), 0);
});

Deno.test("a connection is cut after exactly so many bytes to the client", async () => {
  await using r = await rig({ cutAfter: { "to-client": 300 } });
  await r.conn.write(new Uint8Array(700));
  assertEquals(await readUpTo(r.conn, 700), 300);
});

Deno.test("a connection is cut after so many bytes to the server", async () => {
  await using r = await rig((index) =>
    index === 0 ? { cutAfter: { "to-server": 200 } } : {}
  );
  await r.conn.write(new Uint8Array(700));
  // What the server says to them may come back or be cut off as well.
  assertEquals(await readUpTo(r.conn, 700) <= 200, true);
  const second = await r.dial();
  await second.write(new Uint8Array(700));
  assertEquals(await readUpTo(second, 700), 700);
  assertEquals(r.proxy.connections, 2);
});

Deno.test("a stalled flow loses nothing", async () => {
  await using r = await rig();
  r.proxy.stall("to-client");
  await r.conn.write(new Uint8Array(10));
  const read = readUpTo(r.conn, 10);
  const first = await Promise.race([read, tick()]);
  assertEquals(first, "tick");
  r.proxy.resume();
  assertEquals(await read, 10);
});

/** Long enough for a loopback round trip that is not held up. */
function tick(): Promise<"tick"> {
  return new Promise((resolve) => setTimeout(() => resolve("tick"), 20));
}

Deno.test("bytes come later by the delay", async () => {
  await using r = await rig({ delay: { "to-server": 15, "to-client": 15 } });
  const start = performance.now();
  await r.conn.write(new Uint8Array(10));
  assertEquals(await readUpTo(r.conn, 10), 10);
  assertEquals(performance.now() - start >= 29, true);
});

Deno.test("all connections can be cut now, and new ones made", async () => {
  await using r = await rig();
  await r.conn.write(new Uint8Array(10));
  assertEquals(await readUpTo(r.conn, 10), 10);
  r.proxy.cutAll();
  assertEquals(await readUpTo(r.conn, 10), 0);
  const second = await r.dial();
  await second.write(new Uint8Array(10));
  assertEquals(await readUpTo(second, 10), 10);
});

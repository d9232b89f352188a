import { assert, assertEquals } from "@std/assert";
import {
  exchange,
  upgradeFlaw,
  type Wire,
} from "../../../src/cli/probe/upgrade_exchange.ts";

/** A connection that was written down: it answers in these pieces. */
class Script implements Wire {
  sent = "";
  readonly #answer: string[];

  constructor(...answer: readonly string[]) {
    this.#answer = [...answer];
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const piece = this.#answer.shift();
    if (piece === undefined) return Promise.resolve(null);
    return Promise.resolve(new TextEncoder().encodeInto(piece, buffer).written);
  }

  write(bytes: Uint8Array): Promise<number> {
    // Never all at once, as a full socket.
    const some = bytes.subarray(0, 7);
    this.sent += new TextDecoder().decode(some);
    return Promise.resolve(some.length);
  }
}

const REQUEST = {
  url: new URL("ws://example.com:8080/a?b=c"),
  headers: [["x-a", "1"]],
  subprotocols: ["v1", "v2"],
  key: "dGhlIHNhbXBsZSBub25jZQ==",
} as const;

Deno.test("the request is the handshake of RFC 6455", async () => {
  const wire = new Script("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n");
  const answer = await exchange(wire, REQUEST);
  assertEquals(wire.sent.split("\r\n"), [
    "GET /a?b=c HTTP/1.1",
    "Host: example.com:8080",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "x-a: 1",
    "Sec-WebSocket-Protocol: v1, v2",
    "",
    "",
  ]);
  assert(answer.kind === "http");
  assertEquals([answer.status, answer.statusText], [404, "Not Found"]);
  assertEquals([...answer.headers], [["a", "b"]]);
});

Deno.test("an answer may come in pieces, with bad headers, and with more behind", async () => {
  const wire = new Script(
    "HT",
    "TP/1.1 101\r\nbad header: x\r\nB: ",
    "1\r\n\r\nrest",
  );
  const answer = await exchange(wire, REQUEST);
  assertEquals(answer.kind, "http");
  assertEquals(answer.kind === "http" && answer.headers.get("b"), "1");
});

Deno.test("what is no HTTP and what hangs up are told apart", async () => {
  assertEquals(
    (await exchange(new Script("SSH-2.0\r\n"), REQUEST)).kind,
    "not-http",
  );
  assertEquals(
    (await exchange(new Script("HTTP/9"), REQUEST)).kind,
    "not-http",
  );
  assertEquals((await exchange(new Script(), REQUEST)).kind, "hang-up");
  const broken = new Script();
  broken.read = () => Promise.reject(new Deno.errors.ConnectionReset("gone"));
  assertEquals((await exchange(broken, REQUEST)).kind, "hang-up");
});

Deno.test("a head without end is not waited for", async () => {
  const endless = new Script();
  const bytes = new TextEncoder().encode("HTTP/1.1 200 OK\r\nx: ".padEnd(4000));
  endless.read = (buffer) => {
    buffer.set(bytes);
    return Promise.resolve(bytes.length);
  };
  assertEquals((await exchange(endless, REQUEST)).kind, "http");
});

Deno.test("a 101 is sound only with all three headers (RFC 6455, section 1.3)", async () => {
  const sound = {
    upgrade: "WebSocket",
    connection: "keep-alive, Upgrade",
    "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  };
  const flaw = (headers: HeadersInit) =>
    upgradeFlaw(new Headers(headers), REQUEST.key);
  assertEquals(await flaw(sound), undefined);
  assertEquals(
    await flaw({ ...sound, upgrade: "h2c" }),
    "no Upgrade: websocket",
  );
  assertEquals(
    await flaw({ ...sound, connection: "close" }),
    "no Connection: Upgrade",
  );
  assertEquals(
    await flaw({ ...sound, "sec-websocket-accept": "x" }),
    "wrong Sec-WebSocket-Accept",
  );
});

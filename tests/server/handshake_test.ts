import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  acceptKey,
  checkUpgrade,
  chooseSubprotocol,
  encodeAcceptance,
  encodeRefusal,
  HandshakeError,
  MAX_HEAD,
  parseHead,
  readHead,
} from "../../src/server/handshake.ts";
import { requestHead } from "../support/raw_client.ts";

const REMOTE: Deno.NetAddr = {
  transport: "tcp",
  hostname: "127.0.0.1",
  port: 1,
};

/** A source that gives these chunks, one a read. */
function source(...chunks: (string | Uint8Array)[]) {
  const rest = chunks.map((chunk) =>
    typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk
  );
  return {
    read(into: Uint8Array): Promise<number | null> {
      const chunk = rest.shift();
      if (chunk === undefined) return Promise.resolve(null);
      into.set(chunk.subarray(0, into.length));
      if (chunk.length > into.length) rest.unshift(chunk.subarray(into.length));
      return Promise.resolve(Math.min(chunk.length, into.length));
    },
  };
}

const parse = (head: string) => parseHead(head.slice(0, -4), REMOTE);

Deno.test("the key of RFC 6455, 1.3 is answered as it says", async () => {
  assertEquals(
    await acceptKey("dGhlIHNhbXBsZSBub25jZQ=="),
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  );
});

Deno.test("a head is read however it is torn, and what follows is kept", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
    async (sizes) => {
      const head = requestHead("/a");
      const bytes = new TextEncoder().encode(head + "rest");
      const chunks: Uint8Array[] = [];
      let turn = 0;
      for (let at = 0; at < bytes.length;) {
        const size = sizes[turn++ % sizes.length] ?? 1;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      const read = await readHead(source(...chunks));
      assertEquals(read?.text, head.slice(0, -4));
      assertEquals(
        "rest".startsWith(new TextDecoder().decode(read?.rest)),
        true,
      );
    },
  ));
});

Deno.test("what came in the same read as the head is not lost", async () => {
  const read = await readHead(source(requestHead() + "frames"));
  assertEquals(new TextDecoder().decode(read?.rest), "frames");
});

Deno.test("a head that breaks off is no head", async () => {
  assertEquals(await readHead(source("GET / HT")), undefined);
});

Deno.test("a head may be 16 KiB, and no more", async () => {
  const long = (size: number) => "x".repeat(size) + "\r\n\r\n";
  assertEquals((await readHead(source(long(MAX_HEAD))))?.text.length, MAX_HEAD);
  for (const size of [MAX_HEAD + 1, 10 * MAX_HEAD]) {
    const error = await assertRejects(
      () => readHead(source(long(size))),
      HandshakeError,
    );
    assertEquals(error.refusal.status, 431);
  }
});

Deno.test("a request is read with its path, headers and subprotocols", () => {
  const request = parse(requestHead("/feed?token=a%20b", {
    "X-Name": "  grün  ",
    "Sec-WebSocket-Protocol": "a, b,,c ",
  }));
  assertEquals(request.method, "GET");
  assertEquals(request.path, "/feed?token=a%20b");
  assertEquals(request.headers.get("x-name"), "grün");
  assertEquals(request.subprotocols, ["a", "b", "c"]);
  assertEquals(request.remote, REMOTE);
});

Deno.test("what is not HTTP/1.1 is refused with 400", () => {
  const heads = [
    "",
    "\r\n",
    "GET /",
    "GET / HTTP/1.0",
    "GET  / HTTP/1.1",
    "PRI * HTTP/2.0",
    "GET / HTTP/1.1\r\nno colon",
    "GET / HTTP/1.1\r\n: empty",
    "GET / HTTP/1.1\r\nbad name: x",
    "GET / HTTP/1.1\r\nx: a\0b",
  ];
  for (const head of heads) {
    const error = assertThrows(() => parseHead(head, REMOTE), HandshakeError);
    assertEquals(error.refusal.status, 400, JSON.stringify(head));
  }
});

const UPGRADES: readonly [
  string,
  number | undefined,
  Record<string, string | undefined>,
][] = [
  ["a sound one", undefined, {}],
  ["a list in Connection", undefined, { connection: "keep-alive, UPGRADE" }],
  ["other letters in Upgrade", undefined, { upgrade: "WebSocket" }],
  ["no Upgrade", 426, { upgrade: undefined }],
  ["another Upgrade", 426, { upgrade: "h2c" }],
  ["no Connection", 400, { connection: undefined }],
  ["another Connection", 400, { connection: "keep-alive" }],
  ["no Host", 400, { host: undefined }],
  ["no version", 426, { "sec-websocket-version": undefined }],
  ["another version", 426, { "sec-websocket-version": "8" }],
  ["no key", 400, { "sec-websocket-key": undefined }],
  ["a short key", 400, { "sec-websocket-key": "dGhlIHNhbXBsZQ==" }],
  ["a key of other characters", 400, {
    "sec-websocket-key": "!!!!!!!!!!!!!!!!!!!!!!==",
  }],
];

for (const [name, status, headers] of UPGRADES) {
  Deno.test(`an upgrade with ${name} gets ${status ?? "through"}`, () => {
    const request = parse(requestHead("/", headers));
    if (status === undefined) return checkUpgrade(request);
    const error = assertThrows(() => checkUpgrade(request), HandshakeError);
    assertEquals(error.refusal.status, status);
  });
}

Deno.test("another method than GET gets 405", () => {
  const request = parse(requestHead().replace("GET", "POST"));
  const error = assertThrows(() => checkUpgrade(request), HandshakeError);
  assertEquals(error.refusal.status, 405);
});

Deno.test("who asks for another version is told which one there is", () => {
  const request = parse(requestHead("/", { "sec-websocket-version": "8" }));
  const { refusal } = assertThrows(
    () => checkUpgrade(request),
    HandshakeError,
  );
  assertEquals(
    new Headers(refusal.headers).get("sec-websocket-version"),
    "13",
  );
});

Deno.test("the server's first choice among the offered subprotocols wins", () => {
  assertEquals(chooseSubprotocol(["a", "b"], ["c", "b", "a"]), "b");
  assertEquals(chooseSubprotocol(["a"], ["b"]), undefined);
  assertEquals(chooseSubprotocol(["a"]), undefined);
});

Deno.test("an acceptance carries the key and the subprotocol", async () => {
  const text = async (protocol?: string) =>
    new TextDecoder().decode(
      await encodeAcceptance(parse(requestHead()), protocol),
    );
  assertEquals(
    await text("chat"),
    "HTTP/1.1 101 Switching Protocols\r\n" +
      "Upgrade: websocket\r\n" +
      "Connection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
      "Sec-WebSocket-Protocol: chat\r\n\r\n",
  );
  assertEquals((await text()).includes("Sec-WebSocket-Protocol"), false);
});

Deno.test("a refusal is a whole answer, with the headers asked for", () => {
  const text = new TextDecoder().decode(encodeRefusal({
    status: 503,
    headers: { "retry-after": "5" },
    body: "später",
  }));
  assertMatch(text, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assertMatch(text, /\r\nretry-after: 5\r\n/);
  assertMatch(text, /\r\ncontent-length: 7\r\n/);
  assertMatch(text, /\r\nconnection: close\r\n/);
  assertMatch(text, /\r\n\r\nspäter$/);
  assertMatch(
    new TextDecoder().decode(encodeRefusal({ status: 499 })),
    /^HTTP\/1\.1 499 Refused\r\ncon.*\r\ncontent-length: 0\r\n\r\n$/s,
  );
});

Deno.test("whatever head comes, only a HandshakeError can follow", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    const noise = String.fromCharCode(...bytes);
    for (
      const head of [`GET /${noise}`, `${requestHead().trim()}\r\n${noise}`]
    ) {
      try {
        checkUpgrade(parseHead(head, REMOTE));
      } catch (error) {
        assertEquals(error instanceof HandshakeError, true, String(error));
      }
    }
  }));
});

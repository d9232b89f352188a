import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  acceptKey,
  checkRequest,
  checkResponse,
  type ClientHandshake,
  encodeAcceptance,
  encodeRefusal,
  encodeRequest,
  newKey,
  RefusedHandshake,
  UpgradeError,
} from "../../src/protocol/handshake.ts";
import {
  endOfHead,
  HeadError,
  headText,
  parseRequestHead,
  parseResponseHead,
} from "../../src/protocol/http_head.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const OFFER: ClientHandshake = {
  host: "example.com",
  target: "/feed?x=1",
  key: KEY,
};

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function response(changes: Record<string, string | undefined> = {}) {
  const fields = Object.entries({
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
    ...changes,
  }).filter(([, value]) => value !== undefined);
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  return parseResponseHead(
    `HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`,
  );
}

function request(
  changes: Record<string, string | undefined> = {},
  line = "GET /chat HTTP/1.1",
) {
  const fields = Object.entries({
    Host: "example.com",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...changes,
  }).filter(([, value]) => value !== undefined);
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  return parseRequestHead(`${line}\r\n${lines.join("")}\r\n`);
}

Deno.test("the accept key is the example of RFC 6455, section 1.3", async () => {
  assertEquals(await acceptKey(KEY), ACCEPT);
});

Deno.test("a key is 16 bytes in base64, new each time", () => {
  const [one, two] = [newKey(), newKey()];
  assertEquals(atob(one).length, 16);
  assertEquals(one === two, false);
});

Deno.test("a request has what section 4.1 asks for", () => {
  const head = headText(encodeRequest({
    ...OFFER,
    subprotocols: ["a", "b"],
    headers: [["Authorization", "Basic w6k="], ["X-Latin", "caf\u00e9"]],
    deflate: {},
  }));
  assertEquals(head.split("\r\n"), [
    "GET /feed?x=1 HTTP/1.1",
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${KEY}`,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: a, b",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Authorization: Basic w6k=",
    "X-Latin: caf\u00e9",
    "",
    "",
  ]);
});

Deno.test("a server accepts a client's request, and the client its answer", async () => {
  const handshake = { ...OFFER, subprotocols: ["a", "b"], deflate: {} };
  const key = checkRequest(
    parseRequestHead(headText(encodeRequest(handshake))),
  );
  const answer = await encodeAcceptance({
    key,
    subprotocol: "b",
    extensions: "permessage-deflate",
    headers: [["X-Server", "test"]],
  });
  const head = parseResponseHead(headText(answer));
  assertEquals(head.status, 101);
  assertEquals(head.headers.get("x-server"), "test");
  const agreement = await checkResponse(head, handshake);
  assertEquals(agreement.subprotocol, "b");
  assertEquals(agreement.deflate?.clientMaxWindowBits, 15);
});

Deno.test("a 101 may write its headers in many ways", async () => {
  const cases: Record<string, string>[] = [
    {},
    { Upgrade: "WebSocket" },
    { Upgrade: "  websocket\t" },
    { Connection: "keep-alive, Upgrade" },
    { Connection: "Keep-Alive,UPGRADE" },
    { Connection: "upgrade , close" },
    { "Sec-WebSocket-Extensions": "" },
  ];
  for (const changes of cases) {
    assertEquals(
      await checkResponse(response(changes), OFFER),
      { subprotocol: "", deflate: undefined },
      JSON.stringify(changes),
    );
  }
});

Deno.test("a 101 that breaks section 4.1 is refused", async () => {
  const cases: [
    Record<string, string | undefined>,
    "upgrade" | "subprotocol",
  ][] = [
    [{ Upgrade: undefined }, "upgrade"],
    [{ Upgrade: "h2c" }, "upgrade"],
    [{ Upgrade: "websocket, h2c" }, "upgrade"],
    [{ Connection: undefined }, "upgrade"],
    [{ Connection: "close" }, "upgrade"],
    [{ Connection: "upgraded" }, "upgrade"],
    [{ "Sec-WebSocket-Accept": undefined }, "upgrade"],
    [{ "Sec-WebSocket-Accept": "" }, "upgrade"],
    [{ "Sec-WebSocket-Accept": KEY }, "upgrade"],
    [{ "Sec-WebSocket-Accept": ACCEPT.toLowerCase() }, "upgrade"],
    [{ "Sec-WebSocket-Protocol": "c" }, "subprotocol"],
    [{ "Sec-WebSocket-Protocol": "A" }, "subprotocol"],
    [{ "Sec-WebSocket-Protocol": "a, b" }, "subprotocol"],
    [{ "Sec-WebSocket-Protocol": "" }, "subprotocol"],
    [{ "Sec-WebSocket-Extensions": "x-unknown" }, "upgrade"],
    [{ "Sec-WebSocket-Extensions": "permessage-deflate" }, "upgrade"],
  ];
  for (const [changes, kind] of cases) {
    const error = await assertRejects(
      () =>
        checkResponse(response(changes), {
          ...OFFER,
          subprotocols: ["a", "b"],
        }),
      UpgradeError,
    );
    assertEquals(error.kind, kind, JSON.stringify(changes));
  }
});

Deno.test("a subprotocol is refused when none was offered", async () => {
  await assertRejects(
    () => checkResponse(response({ "Sec-WebSocket-Protocol": "a" }), OFFER),
    UpgradeError,
  );
});

Deno.test("a request that breaks section 4.2.1 is refused with a status", () => {
  const cases: [ReturnType<typeof request>, number][] = [
    [request({ Upgrade: undefined }), 426],
    [request({ Upgrade: "h2c" }), 426],
    [request({}, "POST /chat HTTP/1.1"), 405],
    [request({ Connection: undefined }), 400],
    [request({ Connection: "keep-alive" }), 400],
    [request({ Host: undefined }), 400],
    [request({ "Sec-WebSocket-Version": "8" }), 426],
    [request({ "Sec-WebSocket-Version": undefined }), 426],
    [request({ "Sec-WebSocket-Key": undefined }), 400],
    [request({ "Sec-WebSocket-Key": "c2hvcnQ=" }), 400],
    [request({ "Sec-WebSocket-Key": "x".repeat(24) }), 400],
  ];
  for (const [head, status] of cases) {
    const { refusal } = assertThrows(
      () => checkRequest(head),
      RefusedHandshake,
    );
    assertEquals(refusal.status, status);
    assertEquals(
      parseResponseHead(
        headText(encodeRefusal(refusal)).split("\r\n\r\n")[0] ?? "",
      )
        .status,
      status,
    );
  }
});

Deno.test("a request may name several connection options", () => {
  assertEquals(
    checkRequest(request({ Connection: "keep-alive, Upgrade" })),
    KEY,
  );
  assertEquals(checkRequest(request({ Upgrade: "h2c, WebSocket" })), KEY);
});

Deno.test("the end of a head is found wherever the reads are cut", () => {
  const cases: [string, number][] = [
    ["HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", 25],
    ["HTTP/1.1 200 OK\nA: b\n\nbody\n\n", 22],
    ["HTTP/1.1 200 OK\r\nA: b\r\n\r", -1],
    ["HTTP/1.1 200 OK\r\nA: b\r\n", -1],
    ["", -1],
  ];
  for (const [text, end] of cases) {
    const all = bytes(text);
    let found = -1;
    for (let to = 0; to <= all.length && found < 0; to++) {
      found = endOfHead(all, Math.max(0, to - 4), to);
    }
    assertEquals(found, end, JSON.stringify(text));
    assertEquals(endOfHead(all, 0, all.length), end);
  }
});

Deno.test("what is not the head of an HTTP response is refused", () => {
  for (
    const text of [
      "",
      "SSH-2.0-OpenSSH_9.6\r\n",
      "HTTP/2 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000\r\n\r\n",
      "HTTP/1.1 099 X\r\n\r\n",
      "HTTP/1.1 101\r\nno colon\r\n\r\n",
      "HTTP/1.1 101\r\nA: b\r\n folded\r\n\r\n",
      "HTTP/1.1 101\r\nA B: c\r\n\r\n",
    ]
  ) assertThrows(() => parseResponseHead(text), HeadError, undefined, text);
});

Deno.test("a response may have no reason phrase, and old servers say 1.0", () => {
  assertEquals(parseResponseHead("HTTP/1.1 101\r\n\r\n").status, 101);
  assertEquals(parseResponseHead("HTTP/1.1 101 \r\n\r\n").statusText, "");
  const { status, statusText } = parseResponseHead(
    "HTTP/1.0 404 Not Found\r\n\r\n",
  );
  assertEquals([status, statusText], [404, "Not Found"]);
});

Deno.test("a reason phrase shows no control characters", () => {
  const { statusText } = parseResponseHead("HTTP/1.1 200 a\x1b[2J\tb\r\n\r\n");
  assertEquals(statusText, "a?[2J?b");
});

Deno.test("what is not the head of an HTTP/1.1 request is refused", () => {
  for (
    const text of [
      "",
      "GET / HTTP/1.0\r\n\r\n",
      "GET  / HTTP/1.1\r\n\r\n",
      "get / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\n: x\r\n\r\n",
    ]
  ) assertThrows(() => parseRequestHead(text), HeadError, undefined, text);
});

Deno.test("repeated headers are joined", () => {
  const { headers } = parseResponseHead(
    "HTTP/1.1 200 OK\r\nVia: a\r\nvia:b\r\nX:\r\n\r\n",
  );
  assertEquals([...headers], [["via", "a, b"], ["x", ""]]);
});

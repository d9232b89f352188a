import { assertEquals, assertRejects } from "@std/assert";
import {
  checkRequest,
  encodeAcceptance,
} from "../../../src/protocol/handshake.ts";
import {
  headText,
  parseRequestHead,
  type RequestHead,
} from "../../../src/protocol/http_head.ts";
import { unixParts } from "../../../src/transport/tcp/dial.ts";
import { TcpTransport } from "../../../src/transport/tcp/tcp_transport.ts";
import { HandshakeFailure } from "../../../src/transport/transport.ts";
import { Opcode } from "../../protocol/frames.ts";
import { TempFile } from "../../support/temp_file.ts";
import { open, Peer, refusal } from "./connect.ts";

/** Accepts one connection, echoes one text, and closes. */
async function serveOnce(listener: Deno.UnixListener): Promise<RequestHead> {
  const conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  const count = await conn.read(buffer) ?? 0;
  const request = parseRequestHead(headText(buffer.subarray(0, count)));
  const write = async (data: string | Uint8Array) => {
    if (typeof data !== "string") await conn.write(data);
  };
  await write(await encodeAcceptance({ key: checkRequest(request) }));
  const peer = new Peer({
    conn,
    write,
  });
  const seen = await peer.next();
  if (seen !== undefined && "text" in seen) {
    await peer.send(Opcode.text, seen.text);
  }
  await peer.send(Opcode.close);
  await peer.rest();
  conn.close();
  return request;
}

Deno.test({
  name: "a ws+unix: URL names the socket, then the request",
  ignore: Deno.build.os === "windows",
  async fn() {
    using file = new TempFile();
    const listener = Deno.listen({ transport: "unix", path: file.path });
    const serving = serveOnce(listener);
    using opened = await open(`ws+unix:${file.path}:/feed?x=1`);
    opened.socket.send("over a file");
    assertEquals(await opened.events.next("message"), "over a file");
    await opened.events.next("end");
    const { target, headers } = await serving;
    assertEquals(target, "/feed?x=1");
    assertEquals(headers.get("host"), "localhost");
    listener.close();
  },
});

Deno.test("the parts of a ws+unix: URL", () => {
  const cases: [url: string, path: string, target: string][] = [
    ["ws+unix:/run/app.sock", "/run/app.sock", "/"],
    ["ws+unix:/run/app.sock:/", "/run/app.sock", "/"],
    ["ws+unix:/run/app.sock:/a/b?c=d:e", "/run/app.sock", "/a/b?c=d:e"],
    ["ws+unix:/run/app.sock?c=d", "/run/app.sock", "/?c=d"],
    ["ws+unix:///run/my%20app.sock:/a%20b", "/run/my app.sock", "/a%20b"],
  ];
  for (const [url, path, target] of cases) {
    assertEquals(unixParts(new URL(url)), { path, target }, url);
  }
});

Deno.test("a socket that is not there is unreachable", async () => {
  using file = new TempFile();
  const { kind } = await refusal(`ws+unix:${file.path}:/`);
  assertEquals(kind, "unreachable");
});

Deno.test("a ws+unix: URL with a host or a relative path cannot be used", async () => {
  for (const url of ["ws+unix://host/run/app.sock", "ws+unix:app.sock"]) {
    assertEquals((await refusal(url)).kind, "options", url);
  }
});

const NEEDED: [Deno.PermissionOptionsObject, string][] = [
  [{ read: false, write: true, net: true }, "read"],
  [{ read: true, write: false, net: true }, "write"],
];

for (const [permissions, name] of NEEDED) {
  Deno.test({
    name: `without ${name} permission the flag is named`,
    permissions,
    async fn() {
      const error = await assertRejects(
        () =>
          new TcpTransport().connect(
            { url: new URL("ws+unix:/tmp/no.sock"), subprotocols: [] },
            new AbortController().signal,
          ),
        HandshakeFailure,
      );
      assertEquals(error.facts.kind, "permission");
      assertEquals(error.facts.detail, `run with --allow-${name}=/tmp/no.sock`);
    },
  });
}

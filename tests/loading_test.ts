import { assert, assertEquals } from "@std/assert";
import { loads } from "./support/loads.ts";

Deno.test("the module loads nothing of Node's, no server and no other transport", async () => {
  const loaded = await loads("mod.ts");
  assert(loaded.includes("src/transport/native/native_transport.ts"));
  assertEquals(
    loaded.filter((path) => UNUSED.some((part) => path.startsWith(part))),
    [],
  );
});

Deno.test("a pipe dials before it loads anything of Node's, and loads no server", async () => {
  const loaded = await loads("src/cli/connect/connect.ts");
  assert(loaded.includes("src/cli/output/stream_sink.ts"));
  assertEquals(
    loaded.filter((path) => /^node:|^src\/(server|cli\/terminal)\//.test(path)),
    [],
  );
});

Deno.test("the tcp transport dials before it loads anything of Node's", async () => {
  const loaded = await loads("src/transport/tcp/tcp_transport.ts");
  assert(loaded.includes("src/transport/tcp/dial.ts"));
  assertEquals(loaded.filter((path) => path.startsWith("node:")), []);
});

Deno.test("a connection over tcp loads no TLS and no compression of Node's", async () => {
  const loaded = await loads("src/transport/tcp/tcp_socket.ts");
  assertEquals(
    loaded.filter((path) => path.startsWith("node:")),
    ["node:buffer"],
  );
});

/** What a native connection without a spool has no use for. */
const UNUSED = [
  "node:",
  "src/cli/",
  "src/protocol/handshake.ts",
  "src/send/spool_",
  "src/server/",
  "src/transport/native/probe_handshake.ts",
  "src/transport/tcp/",
];

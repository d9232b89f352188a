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

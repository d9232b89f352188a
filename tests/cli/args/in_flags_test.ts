import { assertEquals, assertThrows } from "@std/assert";
import type { WSConfig } from "../../../mod.ts";
import { inFlags } from "../../../src/cli/args/in_flags.ts";
import { resolveConfig } from "../../../src/resolve_config.ts";
import {
  handshakeError,
  hookOverrun,
  hookTimeout,
} from "../../../src/transport/classify.ts";
import type { HandshakeFailureKind } from "../../../src/transport/transport.ts";

Deno.test("no message of the module names an option of the module", async (t) => {
  const url = new URL("wss://example.com/");
  const context = {
    url,
    proxy: undefined,
    wasOpen: false,
    refusals: 0,
    now: 0,
  };
  const refused = (options: Omit<WSConfig, "url">) =>
    assertThrows(() => resolveConfig({ url, ...options }), RangeError).message;
  const failed = (kind: HandshakeFailureKind, detail?: string) =>
    handshakeError({ kind, detail }, context).message;
  const messages = [
    failed("options", "'tls.key' does not belong to 'tls.cert'"),
    failed("options", "the certificates in 'tls' cannot be used"),
    failed("certificate"),
    failed("client-certificate"),
    failed("redirect", "more often than 'followRedirects' allows: 5"),
    failed(
      "provider-threw",
      "'headers': --header must have the form NAME: VALUE",
    ),
    hookOverrun(10_000, url.href).message,
    hookTimeout(10_000, url.href).message,
    "Cannot send 20000000 bytes as sendQueueMaxBytes is 16777216",
    "The server closed the connection and 'reconnect' is off",
    refused({ idleTimeout: 2 ** 31 }),
    refused({ sendRate: { messages: 1, interval: 2 ** 31 } }),
  ];
  for (const message of messages) {
    await t.step(message, () => {
      const shown = inFlags(message);
      assertEquals(
        /'[\w.]+'|\b[a-z]+[A-Z]\w*/.exec(shown)?.[0],
        undefined,
        shown,
      );
    });
  }
});

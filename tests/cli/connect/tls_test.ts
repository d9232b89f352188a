import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { echo } from "../../../src/server/behaviours.ts";
import { serve } from "../../../src/server/server.ts";
import { certificates } from "../../support/certificates.ts";
import { TempFile } from "../../support/temp_file.ts";
import { cli } from "../session.ts";

const ONCE = ["--once", "--on-open", "hello"];

Deno.test("a self-signed certificate is 8 without -k, and accepted with it", async () => {
  const { unknown } = await certificates();
  await using server = serve({ tls: unknown, onPeer: echo });
  for (const transport of ["native", "tcp"]) {
    const refused = await cli(server.url, ...ONCE, "--transport", transport)
      .run();
    assertMatch(refused.stderr, /certificate/);
    assertEquals(refused.code, 8, transport);
  }
  const accepted = await cli(server.url, ...ONCE, "-k").run();
  assertEquals(accepted.stdout, "hello\n");
  assertEquals(accepted.code, 0);
});

Deno.test("--server-name is the name that the certificate must have", async () => {
  const { wrongHost, ca } = await certificates();
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, ca);
  await using server = serve({ tls: wrongHost, onPeer: echo });
  const flags = [...ONCE, "--ca", temp.path];
  const allow = ["--allow-net", "--allow-read"];
  const wrong = await cli(server.url, ...flags).allow(...allow).run();
  assertMatch(wrong.stderr, /for another name: .*--server-name/);
  assertNotMatch(wrong.stderr, /--ca/);
  assertEquals(wrong.code, 8);
  const right = await cli(server.url, ...flags, "--server-name=wrong.example")
    .allow(...allow).run();
  assertEquals([right.stdout, right.code], ["hello\n", 0]);
});

Deno.test("--compress offers compression", async () => {
  let offer: string | null = null;
  await using server = serve({
    accept: ({ headers }) => {
      offer = headers.get("sec-websocket-extensions");
      return undefined;
    },
    onPeer: echo,
  });
  const result = await cli(server.url, ...ONCE, "--compress").run();
  assertMatch(String(offer), /permessage-deflate/);
  assertEquals(result.stdout, "hello\n");
});

Deno.test("messages speak of flags, never of the module's options", async (t) => {
  using temp = new TempFile();
  Deno.writeTextFileSync(temp.path, "no certificate");
  const cases: readonly (readonly [string[], RegExp])[] = [
    [["--ca", temp.path], /--ca/],
    [["--ca", temp.path, "--transport", "tcp"], /--ca/],
    [["--max-backoff", "300d"], /--max-backoff/],
    [["-H", "Host: x"], /--header/],
    [["--subprotocol", "a b"], /--subprotocol/],
    [["--transport", "native", "-k"], /--insecure needs --transport tcp/],
  ];
  for (const [flags, pattern] of cases) {
    await t.step(flags.join(" ").replace(temp.path, "FILE"), async () => {
      const { stderr, code } = await cli(
        "wss://127.0.0.1:9",
        ...["--no-reconnect", ...flags],
      ).allow("--allow-net", "--allow-read").run();
      assertMatch(stderr, pattern);
      assertEquals(
        /tls\.|initialBackoff|headers'|subprotocols/.test(stderr),
        false,
      );
      assertEquals(code, 2);
    });
  }
});

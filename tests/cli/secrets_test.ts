import { assertEquals } from "@std/assert";
import { redactHeader, redactSubprotocols } from "../../src/cli/secrets.ts";
import { respondStatus, TcpPeer, upgrade } from "../support/tcp_peer.ts";
import { cli } from "./session.ts";

Deno.test("headers that hold a secret are hidden, by name or by value", () => {
  const hidden = [
    ..."Authorization Proxy-Authorization Cookie Set-Cookie".split(" "),
    ..."X-Api-Key X-MBX-APIKEY OK-ACCESS-PASSPHRASE OK-ACCESS-SIGN".split(" "),
    ..."KC-API-SIGN X-Signature X-Session-Id X-JWT X-CSRF X-Pin".split(" "),
    ..."X-Credential X-Amz-Security-Token X-Hmac X-Pwd X-Passwd".split(" "),
    ..."X-Ticket X-Otp X-Nonce PRIVATE-TOKEN X-Auth".split(" "),
  ];
  for (const name of hidden) assertEquals(redactHeader(name, "s"), "***", name);
  const values = ["Bearer s", "basic czpz", "eyJhbGciOiJIUzI1NiJ9.e30.x"];
  for (const value of values) assertEquals(redactHeader("X-App", value), "***");
});

Deno.test("headers without a secret are shown", () => {
  const shown = [
    ["x-request-id", "1f0c9a36-3f0e-4f77-9d0b-8a6d2f7f3a11"],
    ["server", "nginx/1.22.1"],
    ["content-encoding", "gzip"],
    ["keep-alive", "timeout=5"],
    ["origin", "https://example.com"],
    ["location", "https://example.com/users/@me"],
    ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
    ["www-authenticate", 'Bearer error="invalid_token"'],
    ["sec-websocket-protocol", "v2.feed"],
  ] as const;
  for (const [name, value] of shown) {
    assertEquals(redactHeader(name, value), value);
  }
});

Deno.test("URLs in headers lose what may be secret in them", () => {
  const location = (value: string) => redactHeader("location", value);
  assertEquals(location("wss://u:s@h/feed?token=s"), "wss://h/feed?***");
  assertEquals(location("/feed?token=s#s"), "/feed?***#***");
  assertEquals(location("//u:s@h/"), "//***@h/");
  assertEquals(redactHeader("Origin", "https://u:s@h"), "https://h/");
});

Deno.test("a subprotocol that is a token is hidden", () => {
  const shown = (...names: string[]) => redactSubprotocols(names).join(" ");
  assertEquals(
    shown("graphql-transport-ws", "mqtt"),
    "graphql-transport-ws mqtt",
  );
  assertEquals(shown("v1", "bearer.abc"), "v1 ***");
  assertEquals(shown("access_token", "abc", "v1"), "*** *** v1");
  assertEquals(shown("a".repeat(33)), "***");
});

Deno.test("no command shows a secret that the server repeats", async () => {
  const location = "ws://me:hush@127.0.0.1:9/?token=hush";
  await using redirecting = new TcpPeer(
    respondStatus(302, { location, "set-cookie": "sid=hush" }),
  );
  await using accepting = new TcpPeer(
    upgrade({ headers: { "sec-websocket-protocol": "bearer.hush" } }),
  );
  const flags = ["-vv", "--subprotocol", "bearer.hush"];
  const ends = ["--no-reconnect", "--for", "300ms", "--transport", "tcp"];
  for (const { url } of [redirecting, accepting]) {
    const commands = [
      ["probe", url],
      ["probe", url, "--json"],
      ["probe", url, "--follow-redirects", "0"],
      ["connect", url, ...ends],
      ["connect", url, "--json", ...ends],
      ["ping", url, "-n", "1", "--wait", "50ms"],
    ];
    for (const words of commands) {
      const { stdout, stderr } = await cli(...words, ...flags).run();
      const printed = stdout + stderr;
      assertEquals(printed.includes("hush"), false, printed);
    }
  }
});

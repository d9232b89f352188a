import { assertEquals, assertMatch } from "@std/assert";
import { serve } from "../../../src/server/server.ts";
import { certificates } from "../../support/certificates.ts";
import {
  closeAfterRequest,
  closeAtOnce,
  garbage,
  respond,
  respondStatus,
  TcpPeer,
  type TcpScript,
  upgrade,
  wrongSubprotocol,
} from "../../support/tcp_peer.ts";
import { testWith } from "../../support/foreign_server.ts";
import { TempFile } from "../../support/temp_file.ts";
import { cli, type SessionResult } from "../session.ts";
import { findClientCertificateServer } from "./client_certificate_server.ts";
import { httpProxy, socksProxy } from "./proxies.ts";

Deno.test("probe tells a sound server apart, with its headers and times", async () => {
  await using server = serve({ subprotocols: ["v1"], onPeer: () => {} });
  const { stdout, code } = await cli(
    ...["probe", server.url + "/?token=secret", "--subprotocol", "v1"],
  ).run();
  assertMatch(stdout, /TCP +ok +[\d.]+ ms/);
  assertMatch(stdout, /HTTP +101 +[\d.]+ ms +101 Switching Protocols/);
  assertMatch(stdout, /WebSocket +ok .* subprotocol v1/);
  assertEquals(stdout.includes("secret"), false);
  assertEquals(code, 0);
});

Deno.test("probe shows the certificate, accepted or not", async () => {
  const { ca, good, expired } = await certificates();
  using temp = new TempFile();
  await Deno.writeTextFile(temp.path, ca);
  const probe = (url: string, ...flags: string[]) =>
    cli("probe", url, ...flags)
      .allow("--allow-net", `--allow-read=${temp.path}`).run();

  await using server = serve({ tls: good, onPeer: () => {} });
  const unknown = await probe(server.url);
  assertMatch(unknown.stdout, /subject +CN=test server/);
  assertMatch(unknown.stdout, /issuer +CN=Test CA/);
  assertMatch(unknown.stdout, /valid +\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d/);
  assertMatch(unknown.stdout, /--ca\s+FILE/);
  assertEquals(unknown.code, 8);

  const known = await probe(server.url, "--ca", temp.path);
  assertMatch(known.stdout, /TLS +ok/);
  assertEquals(known.code, 0);

  await using old = serve({ tls: expired, onPeer: () => {} });
  const late = await probe(old.url, "--ca", temp.path);
  assertMatch(late.stdout, /must be renewed/);
  assertEquals(late.code, 8);
});

Deno.test("probe names the failing step and gives advice", async (t) => {
  const step = async (
    name: string,
    answer: string | undefined,
    pattern: RegExp,
    code: number,
    ...flags: string[]
  ) => {
    await t.step(name, async () => {
      await using peer = new TcpPeer(async ({ readRequest, write, gone }) => {
        await readRequest();
        if (answer === undefined) await gone();
        else await write(answer);
      });
      check(await cli("probe", peer.url, ...flags).run(), pattern, code);
    });
  };
  await step(
    "401",
    "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\x1b[2J\r\n\r\n",
    /HTTP +401 [^]*www-authenticate: Bearer\\x1b\[2J[^]*--bearer-file/,
    3,
  );
  await step(
    "a cookie",
    "HTTP/1.1 403 Forbidden\r\nset-cookie: session=1\r\n\r\n",
    /HTTP +403 [^]*set-cookie: \*\*\*[^]*--bearer-file/,
    3,
  );
  await step("429", "HTTP/1.1 429 No\r\nretry-after: 7\r\n\r\n", /: 7\)/, 3);
  await step(
    "302",
    "HTTP/1.1 302 F\r\nlocation: /b\r\n\r\n",
    /redirected to [^]*in a loop/,
    3,
  );
  await step("200", "HTTP/1.1 200 OK\r\n\r\n", /does not upgrade/, 3);
  await step(
    "not HTTP",
    "220 mail.example ESMTP\x1b\r\n",
    /it begins with "220 mail.example ESMTP\?"[^]*not speak HTTP/,
    3,
  );
  await step("hang-up", "", /closes the connection before/, 7);
  await step(
    "a bad accept",
    "HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n" +
      "sec-websocket-accept: x\r\n\r\n",
    /WebSocket +failed [^]*is not a WebSocket upgrade/,
    3,
  );
  await step(
    "silence",
    undefined,
    /HTTP +silence[^]*says nothing/,
    124,
    ...["--connect-timeout", "300ms"],
  );

  await t.step("nobody listens", async () => {
    check(await cli("probe", "ws://127.0.0.1:9").run(), /Nobody listens/, 7);
  });

  await t.step("no such name", async () => {
    const session = cli("probe", "ws://no.such.host.invalid")
      .allow("--allow-net");
    check(await session.run(), /DNS +failed [^]*does not resolve/, 6);
  });

  await t.step("plain text where TLS is expected", async () => {
    await using peer = new TcpPeer(({ write }) => write("hello\r\n"));
    const url = peer.url.replace("ws:", "wss:");
    check(await cli("probe", url).run(), /does not speak TLS/, 8);
  });
});

Deno.test("a redirect to a host that is not allowed ends with connect's code", async () => {
  await using peer = new TcpPeer(
    respondStatus(302, { location: "ws://other.invalid:81/" }),
  );
  const run = (...args: string[]) =>
    cli(...args, peer.url).allow("--allow-net=127.0.0.1").run();
  check(await run("probe"), /Deno does not allow it.*--allow-net=other/, 2);
  assertEquals((await run("connect", "--no-reconnect")).code, 2);
});

Deno.test("probe refuses what connect refuses, in the same words", async () => {
  using temp = new TempFile();
  await Deno.writeTextFile(temp.path, "no certificate");
  const cases = [
    ["-H", "Host: example.com"],
    ["-H", "Sec-WebSocket-Key: x"],
    ["--subprotocol", "a", "--subprotocol", "a"],
    ["--ca", temp.path],
  ];
  for (const flags of cases) {
    const run = (...command: string[]) =>
      cli(...command, "ws://127.0.0.1:9", ...flags)
        .allow("--allow-net", `--allow-read=${temp.path}`).run();
    const probed = await run("probe");
    const connected = await run("--no-reconnect");
    assertEquals([probed.code, probed.stderr], [2, connected.stderr]);
  }
});

Deno.test("probe waits for the answer behind an interim one", async () => {
  await using peer = new TcpPeer(async ({ readRequest, write }) => {
    await readRequest();
    await write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
    await write("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  });
  check(await cli("probe", peer.url).run(), /HTTP +403/, 3);
});

Deno.test("probe reads user info as connect does", async () => {
  await using peer = new TcpPeer(respondStatus(401));
  const url = peer.url.replace("//", "//me:100%@");
  check(await cli("probe", url).run(), /HTTP +401/, 3);
  const [request] = peer.requests;
  assertEquals(
    request?.headers.get("authorization"),
    `Basic ${btoa("me:100%")}`,
  );
});

Deno.test("--json prints each step and the result, with the URL", async () => {
  await using peer = new TcpPeer(respondStatus(401, { "x-a": "b" }));
  const { stdout, code } = await cli(
    ...["probe", peer.url + "/?token=secret", "--json"],
  ).run();
  const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    events.map(({ v, type, step, ok, url }) => [v, type, step, ok, url]),
    [
      [1, "step", "tcp", true, `${peer.url}/?***`],
      [1, "step", "http", false, `${peer.url}/?***`],
      [1, "result", undefined, false, `${peer.url}/?***`],
    ],
  );
  const [, http, result] = events;
  assertEquals([http.status, http.headers["x-a"], http.body], [401, "b", "no"]);
  assertEquals([result.failure, result.exitCode], ["status", 3]);
  assertMatch(result.advice, /credentials/);
  assertEquals(code, 3);
});

Deno.test("-q says nothing but what is wrong, on stderr", async () => {
  await using server = serve({ onPeer: () => {} });
  const good = await cli("probe", "-q", server.url).run();
  assertEquals([good.stdout, good.stderr, good.code], ["", "", 0]);
  const bad = await cli("probe", "-q", "ws://127.0.0.1:9").run();
  assertEquals([bad.stdout, bad.code], ["", 7]);
  assertMatch(bad.stderr, /^ws-stream: Nobody listens[^\n]*\n$/);
});

/** Servers that are no WebSocket servers, each in its own way. */
const STRANGE: Readonly<Record<string, TcpScript>> = {
  "401": respondStatus(401),
  "503": respondStatus(503),
  "200": respondStatus(200),
  "a redirect loop": respondStatus(302, { location: "/" }),
  "a redirect without Location": respondStatus(302),
  "a 101 without Upgrade": upgrade({ headers: { upgrade: "" } }),
  "a foreign subprotocol": wrongSubprotocol,
  "not HTTP": garbage,
  "an SSH server, which speaks first": async ({ write, gone }) => {
    await write("SSH-2.0-OpenSSH_9.6\r\n");
    await gone();
  },
  "a hang-up": closeAtOnce,
  "a hang-up after the request": closeAfterRequest,
  "a hang-up within the answer": respond("HTTP/1.1 101 Switching Proto"),
};

Deno.test("probe and connect end with the same code", async (t) => {
  for (const [name, script] of Object.entries(STRANGE)) {
    const run = async (...args: string[]) => {
      await using peer = new TcpPeer(script);
      return await cli(...args, peer.url).run();
    };
    // What the runtime says of it depends on which side is faster.
    const transports = name.startsWith("an SSH") ? ["tcp"] : ["native", "tcp"];
    await t.step(name, async () => {
      const [probed, ...connected] = await Promise.all([
        run("probe"),
        ...transports.map((transport) =>
          run("--no-reconnect", "--transport", transport)
        ),
      ]);
      for (const [i, { code, stderr }] of connected.entries()) {
        assertEquals(probed.code, code, `${transports[i]}: ${stderr}`);
      }
    });
  }
});

Deno.test("probe and connect end with the same code through proxies", async (t) => {
  const cases: readonly (readonly [string, TcpScript, string])[] = [
    ["http", httpProxy(), "good"],
    ["socks5", socksProxy(), "good"],
    ["http", httpProxy("me:secret"), "wants credentials"],
    ["socks5", socksProxy("me:secret"), "wants credentials"],
    ["socks5", ({ write }) => write("HTTP/1.1 400 No\r\n"), "is none"],
    ["http", respondStatus(502), "refuses"],
  ];
  await using server = serve({ onPeer: (peer) => void peer.close() });
  const url = server.url.replace("127.0.0.1", "localhost");
  for (const [scheme, script, name] of cases) {
    await t.step(`a ${scheme} proxy: ${name}`, async () => {
      await using peer = new TcpPeer(script);
      const proxy = `${scheme}://127.0.0.1:${peer.port}`;
      const probed = await cli("probe", url, "--proxy", proxy).run();
      const connected = await cli(
        ...[url, "--no-reconnect", "--transport", "tcp", "--proxy", proxy],
      ).run();
      assertEquals(probed.code, connected.code, connected.stderr);
    });
  }
});

testWith(
  await findClientCertificateServer(),
  "probe and connect say the same where a client certificate is wanted",
  async (start) => {
    const { ca, client } = await certificates();
    const folder = await Deno.makeTempDir();
    for (const [name, text] of Object.entries({ ca, ...client })) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await using server = await start();
    const url = `wss://localhost:${server.port}`;
    const run = (...args: string[]) =>
      cli(...args, url, "--ca", "ca").in(folder)
        .allow("--allow-net", "--allow-read").run();
    const identity = ["--cert", "cert", "--key", "key"];
    const probed = await run("probe");
    assertMatch(probed.stdout, /wants a client certificate/);
    assertEquals(probed.code, 8);
    const accepted = await run("probe", ...identity);
    assertMatch(accepted.stdout, /HTTP +404/);
    assertEquals(accepted.code, 3);
    for (const transport of ["native", "tcp"]) {
      const flags = ["--no-reconnect", "--transport", transport];
      const without = await run(...flags);
      assertEquals(without.code, 8, `${transport}: ${without.stderr}`);
      const { code, stderr } = await run(...flags, ...identity);
      assertEquals(code, 3, `${transport}: ${stderr}`);
    }
    await Deno.remove(folder, { recursive: true });
  },
);

function check(result: SessionResult, pattern: RegExp, code: number): void {
  assertMatch(result.stdout, pattern);
  assertEquals(result.stderr, "");
  assertEquals(result.code, code);
}

import { assertEquals, assertMatch } from "@std/assert";
import {
  probe,
  type ProbeOptions,
  type Step,
} from "../../../src/cli/probe/steps.ts";
import { withCredentials } from "../../../src/transport/handshake_request.ts";
import type {
  HandshakeFailureKind,
  HandshakeRequest,
} from "../../../src/transport/transport.ts";
import { NEEDS_NODE_SOCKET } from "../../../src/transport/tcp/byte_stream.ts";
import { serve } from "../../../src/server/server.ts";
import { certificates } from "../../support/certificates.ts";
import {
  closeAfterRequest,
  garbage,
  respond,
  respondStatus,
  silence,
  TcpPeer,
  type TcpScript,
  upgrade,
  wrongSubprotocol,
} from "../../support/tcp_peer.ts";
import { testWith } from "../../support/foreign_server.ts";
import { findClientCertificateServer } from "./client_certificate_server.ts";
import { httpProxy, socksProxy } from "./proxies.ts";

async function probed(
  url: string,
  { headers, subprotocols = [], ...more }:
    & Partial<Omit<HandshakeRequest, "headers">>
    & Partial<ProbeOptions>
    & { headers?: HeadersInit } = {},
) {
  const steps: Step[] = [];
  const request = withCredentials({
    url: new URL(url),
    headers: new Headers(headers),
    subprotocols,
  });
  const failure = await probe(request, {
    timeout: 10_000,
    followRedirects: 5,
    onStep: (step) => steps.push(step),
    ...more,
  });
  const facts = failure?.facts;
  return { facts, steps, names: steps.map(({ name }) => name) };
}

Deno.test("every step is made, and leaves nothing open", async () => {
  const { ca, good, client } = await certificates();
  await using server = serve({ tls: good, onPeer: () => {} });
  const url = `wss://localhost:${server.port}`;
  for (const identity of [{}, client, { insecure: true }]) {
    const tls = { caCerts: [ca], ...identity };
    const { facts, names, steps } = await probed(url, { tls });
    assertEquals(facts, undefined);
    assertEquals(names, ["DNS", "TCP", "TLS", "HTTP", "WebSocket"]);
    assertMatch(steps[2]?.details.join() ?? "", /subject {2}CN=test server/);
    const address = await probed(server.url, { tls });
    assertEquals(address.facts, undefined, JSON.stringify(address.steps));
    assertEquals(address.names, ["TCP", "TLS", "HTTP", "WebSocket"]);
  }
});

Deno.test(
  "a certificate that is not accepted is shown, and says why",
  async () => {
    const { ca, good, expired, wrongHost } = await certificates();
    const cases = [
      [good, [], /UnknownIssuer/],
      [expired, [ca], /expired/],
      [wrongHost, [ca], /not valid for name/],
    ] as const;
    for (const [tls, caCerts, pattern] of cases) {
      await using server = serve({ tls, onPeer: () => {} });
      const { facts, names, steps } = await probed(server.url, {
        tls: { caCerts },
      });
      assertEquals(facts?.kind, "certificate");
      assertMatch(facts?.detail ?? "", pattern);
      assertEquals(names, ["TCP", "TLS"]);
      assertMatch(steps[1]?.details.join() ?? "", /subject {2}CN=/);
      const insecure = { caCerts: [], insecure: true };
      const skipped = await probed(server.url, { tls: insecure });
      assertEquals(skipped.facts, undefined);
    }
  },
);

testWith(
  await findClientCertificateServer(),
  "a server that wants a client certificate is told as that",
  async (start) => {
    const { ca, client } = await certificates();
    await using server = await start();
    const url = `wss://localhost:${server.port}`;
    const without = await probed(url, { tls: { caCerts: [ca] } });
    assertEquals(without.facts?.kind, "client-certificate");
    const { facts } = await probed(url, {
      tls: { caCerts: [ca], ...client },
    });
    assertEquals(facts?.kind, "status");
  },
);

Deno.test("the certificate must have the name of --server-name", async () => {
  const { ca, good } = await certificates();
  await using server = serve({ tls: good, onPeer: () => {} });
  const asked = (serverName: string) =>
    probed(server.url, { tls: { caCerts: [ca], serverName } });
  assertEquals((await asked("localhost")).facts, undefined);
  assertEquals((await asked("example.com")).facts?.kind, "certificate");
});

/** What the peer does, what the failure is, and at which step. */
const FAILURES: readonly (readonly [
  name: string,
  script: TcpScript,
  kind: HandshakeFailureKind,
  step: string,
])[] = [
  ["401", respondStatus(401), "status", "HTTP"],
  ["200", respondStatus(200), "status", "HTTP"],
  ["a redirect without Location", respondStatus(302), "status", "HTTP"],
  ["no HTTP", garbage, "not-http", "HTTP"],
  [
    "an SSH server, which speaks first",
    async ({ write, gone }) => {
      await write("SSH-2.0-OpenSSH_9.6\r\n");
      await gone();
    },
    "not-http",
    "HTTP",
  ],
  ["a hang-up after the request", closeAfterRequest, "hung-up", "HTTP"],
  [
    "half a head",
    respond("HTTP/1.1 101 Switching Proto"),
    "hung-up",
    "HTTP",
  ],
  [
    "a bad header",
    respond("HTTP/1.1 101 S\r\nbad header: x\r\n\r\n"),
    "not-http",
    "HTTP",
  ],
  [
    "a head without end",
    respond("HTTP/1.1 200 OK\r\nx: ".padEnd(20_000)),
    "head-too-long",
    "HTTP",
  ],
  [
    "a 101 without Upgrade",
    upgrade({ headers: { upgrade: "" } }),
    "upgrade",
    "WebSocket",
  ],
  [
    "a 101 with a wrong accept key",
    upgrade({ headers: { "sec-websocket-accept": "x" } }),
    "upgrade",
    "WebSocket",
  ],
  ["a foreign subprotocol", wrongSubprotocol, "subprotocol", "WebSocket"],
];

for (const [name, script, kind, step] of FAILURES) {
  Deno.test(`the step that fails is the last: ${name}`, async () => {
    await using peer = new TcpPeer(script);
    const { facts, steps } = await probed(peer.url);
    assertEquals(facts?.kind, kind);
    assertEquals([steps.at(-1)?.name, steps.at(-1)?.ok], [step, false]);
    assertEquals(steps.slice(0, -1).every(({ ok }) => ok), true);
  });
}

Deno.test("a server that says nothing is silence, within the time", async () => {
  await using peer = new TcpPeer(silence);
  const plain = await probed(peer.url, { timeout: 200 });
  assertEquals(plain.facts?.kind, "timeout");
  assertEquals(plain.names.at(-1), "HTTP");
  assertEquals(plain.steps.at(-1)?.result, "silence");
  const url = peer.url.replace("ws:", "wss:");
  const secure = await probed(url, { timeout: 200 });
  assertEquals(secure.facts?.kind, "timeout");
  assertEquals(secure.names.at(-1), "TLS");
});

Deno.test("plain text where TLS is expected is told as that", async () => {
  await using peer = new TcpPeer(({ write }) => write("hello\r\n"));
  const { facts } = await probed(peer.url.replace("ws:", "wss:"));
  assertEquals(facts?.kind, "not-tls");
});

Deno.test("the body of a refusal is shown, escaped, whole or chunked", async () => {
  const bodies = [
    'content-length: 14\r\n\r\n{"error":\x1b[2J}ignored',
    'transfer-encoding: chunked\r\n\r\n5\r\n{"err\r\n8;x\r\nor":\x1b[2J\r\n1\r\n}\r\n0\r\n\r\n',
    'x: y\r\n\r\n{"error":\x1b[2J}',
  ];
  for (const body of bodies) {
    await using peer = new TcpPeer(respond(`HTTP/1.1 403 No\r\n${body}`));
    const { steps } = await probed(peer.url);
    const { details = [], facts = {} } = steps.at(-1) ?? {};
    assertEquals(details.slice(-2), ["", '{"error":\\x1b[2J}']);
    assertEquals(facts["body"], '{"error":\x1b[2J}');
  }
});

Deno.test("user info of the URL is sent as Basic, a header wins", async () => {
  await using peer = new TcpPeer(respondStatus(401));
  const url = peer.url.replace("//", "//me:p%40ss@");
  await probed(url);
  await probed(url, { headers: [["Authorization", "Bearer t"]] });
  assertEquals(
    peer.requests.map(({ headers }) => headers.get("authorization")),
    [`Basic ${btoa("me:p@ss")}`, "Bearer t"],
  );
});

Deno.test("a probe closes the connection that it has opened", async () => {
  const closed = Promise.withResolvers<number>();
  await using server = serve({
    onPeer: async (peer) => closed.resolve((await peer.closed).code),
  });
  await probed(server.url);
  assertEquals(await closed.promise, 1000);
});

Deno.test("no subprotocol is no failure, but said", async () => {
  await using server = serve({ subprotocols: ["v1"], onPeer: () => {} });
  const chosen = await probed(server.url, { subprotocols: ["v9", "v1"] });
  assertEquals(chosen.steps.at(-1)?.details, ["subprotocol v1"]);
  const none = await probed(server.url, { subprotocols: ["v9"] });
  assertEquals(none.facts, undefined);
  assertEquals(none.steps.at(-1)?.details, [
    "no subprotocol: the server speaks none of v9",
  ]);
});

Deno.test("redirects are followed, step by step", async () => {
  await using server = serve({ onPeer: () => {} });
  await using peer = new TcpPeer(respondStatus(307, {
    location: server.url.replace("ws:", "http:") + "/there#x",
  }));
  const { facts, steps } = await probed(peer.url);
  assertEquals(facts, undefined);
  assertEquals(steps.map(({ name, result }) => `${name} ${result}`), [
    ...["TCP ok", "HTTP 307", "TCP ok", "HTTP 101", "WebSocket ok"],
  ]);
  assertEquals(steps.at(-1)?.url.href, `${server.url}/there`);
  const unfollowed = await probed(peer.url, { followRedirects: 0 });
  assertEquals(unfollowed.facts?.kind, "status");
});

Deno.test("credentials do not follow a redirect to another origin", async () => {
  await using target = new TcpPeer(respondStatus(404));
  await using peer = new TcpPeer([
    respondStatus(302, { location: "/same" }),
    respondStatus(302, { location: target.url }),
  ]);
  await probed(peer.url, {
    headers: [["Authorization", "x"], ["cookie", "y"], ["X-Other", "z"]],
  });
  const seen = ({ requests }: TcpPeer) =>
    requests.map(({ headers }) =>
      ["authorization", "cookie", "x-other"].map((name) => headers.get(name))
    );
  assertEquals(seen(peer), [["x", "y", "z"], ["x", "y", "z"]]);
  assertEquals(seen(target), [[null, null, "z"]]);
});

Deno.test("redirects that lead nowhere are told apart", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["/", /in a loop/],
    ["ftp://example.com/", /to "ftp:.*no WebSocket URL/],
    ["http://[", /no WebSocket URL/],
  ];
  for (const [location, pattern] of cases) {
    await using peer = new TcpPeer(respondStatus(301, { location }));
    const { facts } = await probed(peer.url);
    assertEquals(facts?.kind, "redirect", location);
    assertMatch(facts?.detail ?? "", pattern);
  }
  let count = 0;
  await using peer = new TcpPeer((exchange) =>
    respondStatus(301, { location: `/${count++}` })(exchange)
  );
  const { facts } = await probed(peer.url, { followRedirects: 3 });
  assertEquals(facts?.kind, "redirect");
  assertMatch(facts?.detail ?? "", /more often than .*: 3/);
  assertEquals(count, 4);
});

Deno.test("a redirect from wss to ws is refused", async () => {
  const { ca, good } = await certificates();
  await using peer = new TcpPeer(
    respondStatus(302, { location: "ws://127.0.0.1:9/" }),
    { tls: good },
  );
  const { facts } = await probed(peer.url, { tls: { caCerts: [ca] } });
  assertEquals(facts?.kind, "redirect");
  assertMatch(facts?.detail ?? "", /from wss:\/\/ to ws:/);
});

Deno.test(
  "a proxy is a step of its own, for ws and wss",
  async (t) => {
    const { ca, good } = await certificates();
    await using plain = serve({ onPeer: () => {} });
    await using secure = serve({ tls: good, onPeer: () => {} });
    for (const credentials of [undefined, "me:p@ss"]) {
      const user = credentials === undefined ? "" : "me:p%40ss@";
      await using http = new TcpPeer(httpProxy(credentials));
      await using socks = new TcpPeer(socksProxy(credentials));
      await using https = new TcpPeer(httpProxy(credentials), { tls: good });
      for (
        const proxy of [
          `http://${user}127.0.0.1:${http.port}`,
          `socks5://${user}127.0.0.1:${socks.port}`,
          `https://${user}127.0.0.1:${https.port}`,
        ]
      ) {
        for (const server of [plain, secure]) {
          const isTwice = proxy.startsWith("https") && server === secure;
          if (NEEDS_NODE_SOCKET && isTwice) continue;
          await t.step(`${proxy} to ${server.url}`, async () => {
            const { facts, names, steps } = await probed(
              server.url.replace("127.0.0.1", "localhost"),
              { proxy: new URL(proxy), tls: { caCerts: [ca] } },
            );
            assertEquals(facts, undefined, JSON.stringify(steps));
            assertEquals(names, [
              ...["TCP", "Proxy"],
              ...server === secure ? ["TLS"] : [],
              ...["HTTP", "WebSocket"],
            ]);
          });
        }
      }
    }
  },
);

Deno.test("what is wrong with a proxy is told as that", async () => {
  await using closed = new TcpPeer(httpProxy("me:secret"));
  await using socks = new TcpPeer(socksProxy("me:secret"));
  await using web = new TcpPeer(respondStatus(403));
  await using rude = new TcpPeer(({ write }) => write("HTTP/1.1 400 No\r\n"));
  await using quiet = new TcpPeer(silence);
  const asked = async (proxy: string) => {
    const { facts, names } = await probed("ws://localhost:9", {
      proxy: new URL(proxy),
      timeout: 2_000,
    });
    return `${facts?.kind} at ${names.at(-1)}`;
  };
  const host = (peer: TcpPeer) => peer.url.slice("ws://".length);
  assertEquals(
    await asked(`http://${host(closed)}`),
    "proxy-credentials at Proxy",
  );
  assertEquals(
    await asked(`socks5://${host(socks)}`),
    "proxy-credentials at Proxy",
  );
  assertEquals(
    await asked(`socks5://me:wrong@${host(socks)}`),
    "proxy-credentials at Proxy",
  );
  assertEquals(await asked(`http://${host(web)}`), "proxy-refused at Proxy");
  assertEquals(
    await asked(`socks5://${host(rude)}`),
    "proxy-protocol at Proxy",
  );
  assertEquals(await asked(`socks5://${host(quiet)}`), "timeout at Proxy");
  assertEquals(await asked("http://127.0.0.1:9"), "proxy-unreachable at TCP");
});

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { WSError } from "../../src/errors.ts";
import { attemptTo, byPath, failureOf } from "../support/attempts.ts";
import { certificates } from "../support/certificates.ts";
import { within } from "../support/events.ts";
import {
  closeAfterRequest,
  respondStatus,
  silence,
  TcpPeer,
  upgrade,
} from "../support/tcp_peer.ts";

const { ca, good } = await certificates();
const never = () => new Promise<never>(() => {});

// What the program provides -------------------------------------------------

Deno.test("functions give url, headers and subprotocols, sync or async, in this order", async () => {
  await using peer = new TcpPeer(
    upgrade({ headers: { "sec-websocket-protocol": "b" } }),
  );
  const called: string[] = [];
  const socket = await attemptTo(() => {
    called.push("url");
    return `${peer.url}/feed`;
  }, {
    headers: () => {
      called.push("headers");
      return Promise.resolve({ "x-own": "1" });
    },
    subprotocols: () => {
      called.push("subprotocols");
      return ["a", "b"];
    },
  });
  assertEquals(called, ["url", "headers", "subprotocols"]);
  assertEquals([socket.url, socket.protocol], [`${peer.url}/feed`, "b"]);
  assertEquals(peer.requests[0]?.headers.get("x-own"), "1");
  socket.abandon();
});

Deno.test("functions are called once, whatever redirects and diagnosis follow", async () => {
  await using peer = new TcpPeer(byPath({
    "/old": respondStatus(302, { location: "/new" }),
    "/new": respondStatus(401),
  }));
  const calls = { url: 0, headers: 0, subprotocols: 0 };
  const error = await failureOf(() => {
    calls.url++;
    return `${peer.url}/old`;
  }, {
    headers: () => ({ "x-own": String(++calls.headers) }),
    subprotocols: () => {
      calls.subprotocols++;
      return "chat";
    },
  });
  assertEquals(error.status, 401);
  assertEquals(calls, { url: 1, headers: 1, subprotocols: 1 });
  assertEquals(peer.requests.length, 4);
  for (const { headers } of peer.requests) {
    assertEquals(headers.get("x-own"), "1");
    assertEquals(headers.get("sec-websocket-protocol"), "chat");
  }
});

Deno.test("user name and password of the URL become a Basic Authorization", async () => {
  await using peer = new TcpPeer(upgrade());
  const url = peer.url.replace("//", "//j%C3%B6rg:a%3Ab@");
  const socket = await attemptTo(`${url}/feed`);
  assertEquals(socket.url, `${peer.url}/feed`);
  assertEquals(
    peer.requests[0]?.headers.get("authorization"),
    `Basic ${btoa("j\xc3\xb6rg:a:b")}`,
  );
  socket.abandon();
});

// Time ------------------------------------------------------------------------

for (const key of ["url", "headers", "subprotocols"] as const) {
  Deno.test(`a function '${key}' that hangs is TIMEOUT, and named`, async () => {
    const error = await failureOf(
      key === "url" ? never : "ws://127.0.0.1:9",
      { connectTimeout: 20, ...(key !== "url" && { [key]: never }) },
    );
    assertEquals([error.code, error.severity], ["TIMEOUT", "transient"]);
    assertEquals(
      error.message,
      `No connection within 20 ms, while waiting for the function '${key}'`,
    );
  });
}

Deno.test("a function that throws after the attempt is over harms nobody", async () => {
  const late = Promise.withResolvers<string>();
  const error = await failureOf(() => late.promise, { connectTimeout: 20 });
  assertEquals(error.code, "TIMEOUT");
  late.reject(new Error("too late"));
  await late.promise.catch(() => {});
});

Deno.test("the deadline covers redirects and diagnosis too", async () => {
  const last = [silence, closeAfterRequest] as const;
  for (const [index, script] of last.entries()) {
    await using peer = new TcpPeer([
      respondStatus(302, { location: "/1" }),
      respondStatus(302, { location: "/1" }),
      script,
      silence,
    ], { tls: good });
    const error = await failureOf(peer.url, {
      tls: { caCerts: ca },
      connectTimeout: 500,
    });
    assertEquals([error.code, error.url], ["TIMEOUT", `${peer.url}/1`]);
    const doing = ["connecting", "finding out why the handshake failed"];
    assert(error.message.endsWith(`while ${doing[index]}`), error.message);
    assertEquals(error.cause instanceof Error, index === 1);
  }
});

// Aborting ------------------------------------------------------------------------

Deno.test("an attempt that was aborted before it began does nothing", async () => {
  const reason = new Error("stopped");
  let called = false;
  const thrown = await assertRejects(() =>
    attemptTo(() => {
      called = true;
      return "ws://127.0.0.1:9";
    }, { signal: AbortSignal.abort(reason) })
  );
  assertStrictEquals(thrown, reason);
  assertEquals(called, false);
});

Deno.test("an abort while a function hangs rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("stopped");
  const attempted = attemptTo(() => {
    controller.abort(reason);
    return never();
  }, { signal: controller.signal });
  assertStrictEquals(await assertRejects(() => attempted), reason);
});

Deno.test("an abort while it connects, or asks why, rejects with the reason", async () => {
  // At last a status is known already; it is not told any more.
  const cases = [
    { before: [], tls: good },
    { before: [closeAfterRequest], tls: good },
    { before: [respondStatus(503)], tls: undefined },
  ];
  for (const { before, tls } of cases) {
    const controller = new AbortController();
    const reason = new Error("stopped");
    const gone = Promise.withResolvers<void>();
    const hangs = async (exchange: Parameters<typeof silence>[0]) => {
      await exchange.readRequest();
      controller.abort(reason);
      await exchange.gone();
      gone.resolve();
    };
    const [first = hangs, ...rest] = [...before, hangs];
    await using peer = new TcpPeer([first, ...rest], { tls });
    const attempted = attemptTo(peer.url, {
      tls: { caCerts: ca },
      signal: controller.signal,
    });
    assertStrictEquals(await assertRejects(() => attempted), reason);
    await within(gone.promise, "the end of the connection");
  }
});

// Permission ----------------------------------------------------------------------

Deno.test({
  name: "without the permission the error names the flag",
  permissions: { net: ["127.0.0.1:4711"] },
  fn: async () => {
    const hosts = [
      ["ws://example.com/feed", "example.com:80"],
      ["wss://example.com/feed", "example.com:443"],
      ["ws://127.0.0.1:4712", "127.0.0.1:4712"],
      ["wss://[::1]", "[::1]:443"],
    ] as const;
    for (const [url, host] of hosts) {
      const error = await failureOf(url);
      assertEquals([error.code, error.severity], ["PERMISSION", "fatal"]);
      assertEquals(
        error.message,
        `No permission to connect to ${host}: run with --allow-net=${host}`,
      );
    }
  },
});

Deno.test({
  name: "the target of a redirect needs the permission as well",
  permissions: { net: ["127.0.0.1"] },
  fn: async () => {
    await using peer = new TcpPeer(
      respondStatus(302, { location: "ws://localhost:4711/" }),
    );
    const { code, message } = await failureOf(peer.url);
    assertEquals(code, "PERMISSION");
    assertMatch(message, /--allow-net=localhost:4711$/);
  },
});

Deno.test({
  name: "a proxy needs the permission as well",
  permissions: { net: ["127.0.0.1"] },
  fn: async () => {
    const proxies = [
      ["http://localhost", "localhost:80"],
      ["https://localhost", "localhost:443"],
      ["socks5://localhost", "localhost:1080"],
      ["socks5://localhost:9", "localhost:9"],
    ] as const;
    for (const [proxy, host] of proxies) {
      const error = await failureOf("ws://127.0.0.1:9", {
        proxy: new URL(proxy),
      });
      assertEquals(error.code, "PERMISSION");
      assert(error.message.endsWith(`--allow-net=${host}`), error.message);
    }
  },
});

// What connects ---------------------------------------------------------------------

Deno.test("certificates that cannot be used are TLS, fatal", async () => {
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const error = await failureOf("wss://127.0.0.1:9", { tls: { caCerts: pem } });
  assertEquals([error.code, error.severity], ["TLS", "fatal"]);
  assertMatch(error.message, /'tls' or 'proxy' cannot be used/);
  assertInstanceOf(error.cause, Error);
});

Deno.test("an httpClient that is closed is CONNECT, fatal, and said so", async () => {
  const httpClient = Deno.createHttpClient({ http2: false });
  httpClient.close();
  const error = await failureOf("ws://127.0.0.1:9", { httpClient });
  assertEquals([error.code, error.severity], ["CONNECT", "fatal"]);
  assertMatch(error.message, /'httpClient' is closed/);
  assertInstanceOf(error.cause, Deno.errors.BadResource);
});

Deno.test("a socket that was refused for its subprotocol is closed", async () => {
  const gone = Promise.withResolvers<void>();
  await using peer = new TcpPeer(upgrade({
    headers: { "sec-websocket-protocol": "other" },
    then: async (exchange) => {
      const frame = new Uint8Array(16);
      await exchange.conn.read(frame);
      assertEquals(frame[0], 0x88);
      gone.resolve();
    },
  }));
  const error = await failureOf(peer.url, { subprotocols: "chat" });
  assertEquals(error.code, "HANDSHAKE");
  await within(gone.promise, "the close frame");
});

Deno.test("attempts leave nothing behind on a signal that lives long", async () => {
  await using peer = new TcpPeer(respondStatus(503));
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  const remove = signal.removeEventListener.bind(signal);
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  for (let i = 0; i < 3; i++) {
    const error = await failureOf(peer.url, { signal });
    assertInstanceOf(error, WSError);
  }
  assertEquals(listeners, 0);
});

/** Behind nginx, the reverse proxy most WebSockets pass through. */

import {
  assertEquals,
  assertGreaterOrEqual,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { type WSConfig, WSError } from "../../mod.ts";
import { echo } from "../../src/server/behaviours.ts";
import { serve } from "../../src/server/server.ts";
import { certificates, type Identity } from "../support/certificates.ts";
import { Guest } from "../support/client_world.ts";
import { within } from "../support/events.ts";
import { testWithEach } from "../support/foreign_server.ts";
import { freePort } from "../support/free_port.ts";
import { findNginx } from "../support/nginx.ts";

const nginx = await findNginx();
const { ca, good } = await certificates();

/** Most behaviour must be the same with and without TLS. */
const SCHEMES: readonly {
  readonly scheme: string;
  readonly tls?: Identity;
  readonly config?: Partial<WSConfig>;
}[] = [
  { scheme: "ws" },
  { scheme: "wss", tls: good, config: { tls: { caCerts: ca } } },
];

for (const { scheme, tls, config } of SCHEMES) {
  testWithEach(
    nginx,
    `nginx, ${scheme}: messages go through, large ones too`,
    async (start, transport) => {
      await using server = serve({ onPeer: echo });
      await using proxy = await start({ upstream: server.port, tls });
      await using guest = await transport.guest({ url: proxy.url, ...config });
      const large = "x".repeat(1024 * 1024);
      for (const message of ["grüße", large, Uint8Array.of(1, 2, 3)]) {
        await guest.client.send(message);
        assertEquals(await guest.calls.next("message"), message);
      }
    },
  );

  testWithEach(
    nginx,
    `nginx, ${scheme}: 502 is told while the server behind it is down, and retried until it is up`,
    async (start, transport) => {
      const port = freePort();
      await using proxy = await start({ upstream: port, tls });
      await using guest = new Guest({
        transport: transport.name,
        url: proxy.url,
        ...config,
      });
      const opened = guest.client.start();
      const { code, severity, status } = await guest.calls.next("error");
      assertEquals([code, severity, status], ["HTTP_STATUS", "transient", 502]);
      await using _server = serve({ port, onPeer: echo });
      await within(opened, "the open");
    },
  );

  testWithEach(
    nginx,
    `nginx, ${scheme}: 503 with Retry-After is obeyed`,
    async (start, transport) => {
      await using proxy = await start({ upstream: freePort(), tls });
      await using guest = new Guest({
        transport: transport.name,
        url: `${proxy.url}/maintenance`,
        ...config,
      });
      guest.client.start();
      const { delay, error } = await guest.calls.next("retry");
      assertEquals([error.status, error.retryAfter], [503, 7000]);
      assertGreaterOrEqual(delay, 7000);
    },
  );

  testWithEach(
    nginx,
    `nginx, ${scheme}: a redirect is followed`,
    async (start, transport) => {
      await using server = serve({ onPeer: echo });
      await using proxy = await start({ upstream: server.port, tls });
      await using guest = await transport.guest({
        url: `${proxy.url}/moved`,
        ...config,
      });
      assertEquals(guest.client.url, `${proxy.url}/`);
    },
  );
}

testWithEach(
  nginx,
  "nginx: the connection that proxy_read_timeout cuts is dialled again",
  async (start, transport) => {
    await using server = serve({ onPeer: () => {} });
    await using proxy = await start({ upstream: server.port, readTimeout: 1 });
    await using guest = await transport.guest({ url: proxy.url });
    const { code, wasClean, willRetry } = await guest.calls.next("disconnect");
    assertEquals([code, wasClean, willRetry], [1006, false, true]);
    await guest.calls.next("gap");
    await guest.calls.next("connect");
  },
);

testWithEach(
  nginx,
  "nginx: a heartbeat keeps proxy_read_timeout from cutting",
  async (start, transport) => {
    await using server = serve({ onPeer: echo });
    await using proxy = await start({ upstream: server.port, readTimeout: 1 });
    await using guest = await transport.guest({
      url: proxy.url,
      pingInterval: 200,
      ping: { message: "ping" },
    });
    // Twice the time that it allows.
    const { calls } = guest;
    await calls.until(() => calls.all("message").length >= 10, "ten pongs");
    assertEquals(calls.all("disconnect"), []);
  },
);

testWithEach(
  nginx,
  "nginx: a certificate that nobody vouches for is fatal, and said to be one",
  async (start, transport) => {
    await using proxy = await start({ upstream: freePort(), tls: good });
    const error = await assertRejects(
      () => transport.guest({ url: proxy.url }),
      WSError,
    );
    assertEquals([error.code, error.severity], ["TLS", "fatal"]);
    assertMatch(error.message, /certificate/);
  },
);

testWithEach(
  nginx,
  "nginx: when one proxy dies, the other one takes over at once",
  async (start, transport) => {
    await using server = serve({ onPeer: echo });
    await using doomed = new AsyncDisposableStack();
    const first = doomed.use(await start({ upstream: server.port }));
    await using second = await start({ upstream: server.port });
    await using guest = await transport.guest({
      url: [first.url, second.url],
    });
    await doomed.disposeAsync();
    const { code } = await guest.calls.next("disconnect");
    assertEquals(code, 1006);
    await guest.calls.until(() => guest.client.state === "open");
    assertEquals(guest.client.url, `${second.url}/`);
  },
);

import {
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  HttpClientPool,
  type NativeOptions,
} from "../../../src/transport/native/http_client_pool.ts";
import { HandshakeFailure } from "../../../src/transport/transport.ts";
import { certificates } from "../../support/certificates.ts";

const { ca, client } = await certificates();

/** Whether an HTTP client is still open. */
async function isUsable(httpClient: Deno.HttpClient): Promise<boolean> {
  try {
    const response = await fetch("data:,x", { client: httpClient });
    await response.text();
    httpClient.close();
    return true;
  } catch {
    return false;
  }
}

Deno.test("ws:// without settings uses the runtime's own client", () => {
  const pool = new HttpClientPool({});
  assertEquals(pool.forSocket(new URL("ws://h/")), undefined);
  pool.close();
});

Deno.test("settings are for ws:// as well", () => {
  const proxy = new URL("socks5://user:pass@h:1080");
  for (const options of [{ proxy }, { tls: { caCerts: ca } }]) {
    const pool = new HttpClientPool(options);
    assertStrictEquals(
      pool.forSocket(new URL("ws://h/")),
      pool.forRequest(),
    );
    pool.close();
  }
});

Deno.test("pools with the same settings share one client, closed by the last of them", () => {
  const settings: readonly NativeOptions[] = [
    {},
    { tls: { caCerts: ca } },
    { tls: client },
    { proxy: new URL("socks5://user:pass@h:1080") },
  ];
  for (const options of settings) {
    const [first, second] = [
      new HttpClientPool(options),
      new HttpClientPool({ ...options }),
    ];
    const url = new URL("wss://h/");
    const shared = first.forSocket(url);
    assertStrictEquals(second.forSocket(url), shared);
    first.close();
    first.close();
    const third = new HttpClientPool(options);
    assertStrictEquals(third.forSocket(url), shared);
    second.close();
    third.close();
    const later = new HttpClientPool(options);
    assertNotStrictEquals(later.forSocket(url), shared);
    later.close();
  }
});

Deno.test("pools with other settings share nothing", () => {
  const pools = [
    {},
    { tls: { caCerts: ca } },
    { tls: client },
    { proxy: new URL("http://h:1") },
    { proxy: new URL("http://h:2") },
  ].map((options) => new HttpClientPool(options));
  assertEquals(new Set(pools.map((pool) => pool.forRequest())).size, 5);
  for (const pool of pools) pool.close();
});

Deno.test("settings that cannot be used are refused each time, and shared by nobody", () => {
  for (let i = 0; i < 2; i++) {
    const pool = new HttpClientPool({ tls: { cert: "x", key: "y" } });
    const { facts } = assertThrows(() => pool.forRequest(), HandshakeFailure);
    assertEquals(facts.kind, "options");
    pool.close();
  }
});

Deno.test("the program's own client is used for everything, and stays open", async () => {
  const httpClient = Deno.createHttpClient({});
  const pool = new HttpClientPool({ httpClient });
  assertStrictEquals(pool.forSocket(new URL("ws://h/")), httpClient);
  assertStrictEquals(pool.forRequest(), httpClient);
  pool.close();
  assertEquals(await isUsable(httpClient), true);
});

Deno.test("a closed pool gives nothing any more", () => {
  const pool = new HttpClientPool({});
  pool.close();
  assertThrows(() => pool.forRequest(), Error, "the transport is closed");
});

import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { WSError } from "../../src/errors.ts";
import {
  type RequestSources,
  resolveRequest,
  withCredentials,
} from "../../src/lifecycle/handshake_request.ts";

const endpoint = "ws://127.0.0.1/feed";

function resolve(
  sources: Partial<RequestSources>,
  signal = new AbortController().signal,
  asking: (key: string) => void = () => {},
) {
  return resolveRequest({ endpoint, ...sources }, signal, asking);
}

async function failure(sources: Partial<RequestSources>): Promise<WSError> {
  return await assertRejects(() => resolve(sources), WSError);
}

Deno.test("values are taken as they are", async () => {
  const { url, headers, subprotocols } = await resolve({
    headers: { "X-Own": "1" },
    subprotocols: "chat",
  });
  assertEquals(url.href, "ws://127.0.0.1/feed");
  assertEquals([...headers ?? []], [["x-own", "1"]]);
  assertEquals(subprotocols, ["chat"]);
});

Deno.test("headers and subprotocols may be missing", async () => {
  const { headers, subprotocols } = await resolve({});
  assertEquals(headers, undefined);
  assertEquals(subprotocols, []);
});

Deno.test("only what is a function is said to be asked for, one after the other", async () => {
  const asked: string[] = [];
  await resolve(
    { endpoint: () => new URL(endpoint), subprotocols: () => "chat" },
    undefined,
    (key) => asked.push(key),
  );
  assertEquals(asked, ["url", "subprotocols"]);
});

Deno.test("a function that throws, now or later, is CONNECT, transient", async () => {
  const cause = new Error("no token today");
  const throwing = [
    () => {
      throw cause;
    },
    () => Promise.reject(cause),
  ];
  for (const thrower of throwing) {
    for (const key of ["endpoint", "headers", "subprotocols"]) {
      const error = await failure({ [key]: thrower });
      assertEquals([error.code, error.severity], ["CONNECT", "transient"]);
      const name = key === "endpoint" ? "url" : key;
      assertMatch(error.message, new RegExp(`function '${name}' threw`));
      assertStrictEquals(error.cause, cause);
    }
  }
});

Deno.test("a WSError that a function throws passes as it is", async () => {
  const thrown = new WSError("no account", {
    code: "HTTP_STATUS",
    severity: "fatal",
  });
  const error = await failure({ headers: () => Promise.reject(thrown) });
  assertStrictEquals(error, thrown);
});

Deno.test("a value that breaks the rules is CONNECT, fatal, with the rule as its cause", async () => {
  const wrong: readonly (readonly [Partial<RequestSources>, RegExp])[] = [
    [{ endpoint: () => "http://h/" }, /'url' .* ws:\/\/ or wss:\/\/.*"http:/],
    [{ endpoint: () => "ws://h/#a" }, /'url' .*fragment/],
    [{ headers: () => ({ upgrade: "x" }) }, /'headers' .*"upgrade"/],
    [{ subprotocols: () => ["a", "a"] }, /'subprotocols' .*repetition/],
  ];
  for (const [sources, rule] of wrong) {
    const error = await failure(sources);
    assertEquals([error.code, error.severity], ["CONNECT", "fatal"]);
    assertInstanceOf(error.cause, TypeError);
    assertMatch(error.cause.message, rule);
  }
});

Deno.test("an abort ends the waiting with the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const resolved = resolve({
    headers: () => {
      controller.abort(reason);
      return new Promise(() => {});
    },
  }, controller.signal);
  assertStrictEquals(await assertRejects(() => resolved), reason);
});

Deno.test("credentials move from the URL into a header", () => {
  const { url, headers } = withCredentials({
    url: new URL("wss://user:pass@h/feed"),
    headers: new Headers({ "x-own": "1" }),
    subprotocols: [],
  });
  assertEquals(url.href, "wss://h/feed");
  assertEquals(headers?.get("authorization"), `Basic ${btoa("user:pass")}`);
  assertEquals(headers?.get("x-own"), "1");
});

Deno.test("an Authorization that is given wins, and the URL is cleaned all the same", () => {
  const { url, headers } = withCredentials({
    url: new URL("wss://user:pass@h/feed"),
    headers: new Headers({ authorization: "Bearer x" }),
    subprotocols: [],
  });
  assertEquals(url.href, "wss://h/feed");
  assertEquals(headers?.get("authorization"), "Bearer x");
});

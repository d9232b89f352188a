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
} from "../../src/transport/handshake_request.ts";
import {
  type HandshakeFacts,
  HandshakeFailure,
} from "../../src/transport/transport.ts";

const endpoint = "ws://127.0.0.1/feed";

function resolve(
  sources: Partial<RequestSources>,
  signal = new AbortController().signal,
  onAsk: (key: string) => void = () => {},
) {
  return resolveRequest(
    { endpoint, transportName: "native", ...sources },
    signal,
    onAsk,
  );
}

async function factsOf(
  sources: Partial<RequestSources>,
): Promise<HandshakeFacts> {
  const failure = await assertRejects(() => resolve(sources), HandshakeFailure);
  return failure.facts;
}

Deno.test("values are used as they are", async () => {
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

Deno.test("sync and async functions are called once each, one after the other", async () => {
  const asked: string[] = [];
  const calls: string[] = [];
  const { url, headers, subprotocols } = await resolve(
    {
      endpoint: () => {
        calls.push("url");
        return new URL(endpoint);
      },
      headers: async () => {
        await null;
        calls.push("headers");
        return { "x-token": "1" };
      },
      subprotocols: () => {
        calls.push("subprotocols");
        return Promise.resolve(["a", "b"]);
      },
    },
    undefined,
    (key) => asked.push(key),
  );
  assertEquals(asked, ["url", "headers", "subprotocols"]);
  assertEquals(calls, asked);
  assertEquals(url.href, endpoint);
  assertEquals(headers?.get("x-token"), "1");
  assertEquals(subprotocols, ["a", "b"]);
});

Deno.test("only functions are asked for", async () => {
  const asked: string[] = [];
  await resolve(
    { endpoint: () => endpoint, headers: { a: "b" } },
    undefined,
    (key) => asked.push(key),
  );
  assertEquals(asked, ["url"]);
});

Deno.test("a function that throws or rejects fails the attempt and is named", async () => {
  const cause = new Error("no token today");
  const throwing = [
    () => {
      throw cause;
    },
    () => Promise.reject(cause),
  ];
  for (const thrower of throwing) {
    for (const key of ["endpoint", "headers", "subprotocols"]) {
      const facts = await factsOf({ [key]: thrower });
      assertEquals(facts.kind, "provider-threw");
      const name = key === "endpoint" ? "url" : key;
      assertEquals(facts.detail, `'${name}': no token today`);
      assertStrictEquals(facts.cause, cause);
    }
  }
});

Deno.test("a function that throws something other than an error fails the attempt", async () => {
  for (const thrown of ["text", undefined, null, 7]) {
    const facts = await factsOf({ headers: () => Promise.reject(thrown) });
    assertEquals(facts.kind, "provider-threw");
    assertEquals(facts.detail, `'headers': ${thrown}`);
  }
});

Deno.test("the URL in what a function throws shows no secret", async () => {
  const facts = await factsOf({
    endpoint: () => {
      throw new Error(
        "error sending request for url (https://u:hush@h/a?token=hush&n=1): 503",
      );
    },
  });
  assertEquals(
    facts.detail,
    "'url': error sending request for url (https://h/a?token=***&n=1): 503",
  );
});

Deno.test("a WSError that a function throws passes as it is", async () => {
  const thrown = new WSError("no account", {
    code: "HTTP_STATUS",
    severity: "fatal",
  });
  const error = await assertRejects(
    () => resolve({ headers: () => Promise.reject(thrown) }),
    WSError,
  );
  assertStrictEquals(error, thrown);
});

Deno.test("a value that breaks the rules fails the attempt and says which rule", async () => {
  const wrong: readonly (readonly [Partial<RequestSources>, RegExp])[] = [
    [{ endpoint: () => "http://h/" }, /'url'.*ws:\/\/ or wss:\/\//],
    [{ endpoint: () => "ws://h/#a" }, /'url'.*fragment/],
    [{ endpoint: () => "" }, /'url'/],
    [{ headers: () => ({ upgrade: "x" }) }, /'headers'.*"upgrade"/],
    [{ subprotocols: () => ["a", "a"] }, /'subprotocols'.*repetition/],
  ];
  for (const [sources, rule] of wrong) {
    const facts = await factsOf(sources);
    assertEquals(facts.kind, "provider-value");
    assertInstanceOf(facts.cause, TypeError);
    assertMatch(facts.detail ?? "", rule);
  }
});

Deno.test("a bad header value is not shown", async () => {
  const facts = await factsOf({
    headers: () => ({ authorization: "hush\nhush" }),
  });
  assertEquals(facts.kind, "provider-value");
  assertEquals(/hush/.test(facts.detail ?? ""), false, facts.detail);
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

Deno.test("user name and password move from the URL into a header", async () => {
  for (const given of ["text", "function"]) {
    const source = "wss://us%C3%A9r:p%3Ass@h/feed";
    const { url, headers } = await resolve({
      endpoint: given === "text" ? source : () => source,
      headers: { "x-own": "1" },
    });
    assertEquals(url.href, "wss://h/feed");
    const expected = new TextEncoder().encode("usér:p:ss");
    assertEquals(
      headers?.get("authorization"),
      `Basic ${btoa(String.fromCharCode(...expected))}`,
    );
    assertEquals(headers?.get("x-own"), "1");
  }
});

Deno.test("a stray % in a password is one", () => {
  const { headers } = withCredentials({
    url: new URL("wss://user:100%@h/"),
    subprotocols: [],
  });
  assertEquals(headers?.get("authorization"), `Basic ${btoa("user:100%")}`);
});

Deno.test("a given Authorization wins, and the URL is cleaned all the same", () => {
  const { url, headers } = withCredentials({
    url: new URL("wss://user:pass@h/feed"),
    headers: new Headers({ authorization: "Bearer x" }),
    subprotocols: [],
  });
  assertEquals(url.href, "wss://h/feed");
  assertEquals(headers?.get("authorization"), "Bearer x");
});

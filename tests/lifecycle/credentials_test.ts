import { assertEquals } from "@std/assert";
import {
  basicAuthorization,
  splitCredentials,
} from "../../src/lifecycle/credentials.ts";

Deno.test("a URL without credentials stays as it is", () => {
  const url = new URL("ws://h/feed");
  assertEquals(splitCredentials(url), { url });
});

Deno.test("credentials are decoded, and the URL that had them is not touched", () => {
  const url = new URL("ws://j%C3%B6rg:a%3Ab%40@h:81/feed");
  const { url: bare, credentials } = splitCredentials(url);
  assertEquals(bare.href, "ws://h:81/feed");
  assertEquals(credentials, { username: "jörg", password: "a:b@" });
  assertEquals(url.username, "j%C3%B6rg");
});

Deno.test("either of them alone will do, and a stray % stays one", () => {
  const only = [
    ["ws://token@h/", { username: "token", password: "" }],
    ["ws://:secret@h/", { username: "", password: "secret" }],
    ["ws://100%:50%zz@h/", { username: "100%", password: "50%zz" }],
  ] as const;
  for (const [url, credentials] of only) {
    assertEquals(splitCredentials(new URL(url)).credentials, credentials);
  }
});

Deno.test("a Basic Authorization is UTF-8 in Base64", () => {
  // RFC 7617, section 2.1: the pound sign.
  assertEquals(
    basicAuthorization({ username: "test", password: "123£" }),
    "Basic dGVzdDoxMjPCow==",
  );
});

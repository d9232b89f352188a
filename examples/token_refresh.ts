#!/usr/bin/env -S deno run --allow-net=auth.example.com,stream.example.com
/**
 * Short-lived tokens.
 *
 * - `headers` is a function, called for each attempt. It renews the token when
 *   less than a minute is left.
 * - A server may revoke a token early and answer 401. That is fatal by default,
 *   because a wrong password does not become right by trying again. Here a 401
 *   is worth one more attempt if the token was used before, because the next
 *   attempt gets a new one.
 *
 *     ./token_refresh.ts https://auth.example.com/token wss://stream.example.com
 *
 * @module
 */

import { connect } from "@ws-stream/client";

interface Token {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

const [
  authUrl = "https://auth.example.com/token",
  url = "wss://stream.example.com",
] = Deno.args;

let token: Token | undefined;
let uses = 0;

await using client = await connect(url, {
  headers: async () => {
    if (token === undefined || token.expires - Date.now() < 60_000) {
      token = await requestToken();
      uses = 0;
    }
    uses++;
    return { Authorization: `Bearer ${token.value}` };
  },
  classify(error) {
    return error.status === 401 && uses > 1 ? "transient" : undefined;
  },
}, {
  onConnect: () => console.error("connected"),
  onError(error) {
    console.error(error.message);
    if (error.status === 401) token = undefined;
  },
});

for await (const message of client) console.log(message);

async function requestToken(): Promise<Token> {
  const response = await fetch(authUrl, { method: "POST" });
  if (!response.ok) throw new Error(`No token: HTTP ${response.status}`);
  const { access_token, expires_in } = await response.json();
  console.error("new token");
  return { value: access_token, expires: Date.now() + expires_in * 1000 };
}

/**
 * Rules for the options that are more than a number or a text. Each returns
 * the checked value, frozen, or throws as `rules.ts` does.
 *
 * @module
 */

import type {
  Conflation,
  PingConfig,
  ReceiveOverflow,
  Redelivery,
  TlsConfig,
  WSConfig,
} from "./config.ts";
import { redactUrl } from "./errors.ts";
import {
  callable,
  COUNT,
  number,
  type NumberRule,
  oneOf,
  onlyKnownKeys,
  wrongKind,
  wrongSecret,
} from "./rules.ts";

const CLOSE_CODE: NumberRule = { min: 1000, max: 4999, integer: true };

/** An HTTP client, alone: it brings its own certificates and proxy. */
export function checkHttpClient(config: WSConfig): void {
  const clash = (["tls", "proxy"] as const)
    .find((key) => config[key] !== undefined);
  if (clash !== undefined) {
    throw new TypeError(
      `Cannot use '${clash}' together with 'httpClient': ` +
        "give it to Deno.createHttpClient instead",
    );
  }
  if (!(config.httpClient instanceof Deno.HttpClient)) {
    throw wrongSecret("httpClient", "a Deno.HttpClient", config.httpClient);
  }
}

/** Certificates, all of them PEM. */
export function checkTls(tls: TlsConfig): TlsConfig {
  onlyKnownKeys("tls", tls, ["caCerts", "cert", "key"]);
  const { caCerts, cert, key } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError(
      "Cannot use 'tls' as a client certificate needs both 'cert' and 'key': " +
        `current value lacks '${cert === undefined ? "cert" : "key"}'`,
    );
  }
  const authorities = caCerts === undefined ? [] : [caCerts].flat();
  for (const pem of authorities) checkPem("tls.caCerts", pem);
  if (cert !== undefined) checkPem("tls.cert", cert);
  if (key !== undefined) checkPem("tls.key", key);
  return Object.freeze({ caCerts: Object.freeze(authorities), cert, key });
}

/** A key must not be shown, so the error tells only what it is not. */
function checkPem(key: string, value: unknown): void {
  if (typeof value !== "string" || !value.includes("-----BEGIN ")) {
    throw wrongSecret(key, 'PEM text ("-----BEGIN ...")', value);
  }
}

const PROXY_SCHEMES = ["http:", "https:", "socks5:"];

/** A proxy that Deno can talk to. */
export function checkProxy(value: string | URL): URL {
  const rule = "an http://, https:// or socks5:// URL";
  if (typeof value !== "string" && !(value instanceof URL)) {
    throw wrongSecret("proxy", rule, value);
  }
  const url = URL.canParse(String(value)) ? new URL(value) : undefined;
  if (url === undefined || !PROXY_SCHEMES.includes(url.protocol)) {
    throw wrongKind("proxy", rule, redactUrl(value));
  }
  return url;
}

/** A heartbeat that has something to say. */
export function checkPing(ping: PingConfig): PingConfig {
  onlyKnownKeys("ping", ping, ["message", "isPong", "answer"]);
  const { message, isPong, answer } = ping;
  if (isPong !== undefined) callable("ping.isPong", isPong);
  if (answer !== undefined) callable("ping.answer", answer);
  const isMessage = typeof message === "string" ||
    message instanceof Uint8Array || typeof message === "function";
  if (message !== undefined && !isMessage) {
    const rule = "a string, a Uint8Array or a function";
    throw wrongSecret("ping.message", rule, message);
  }
  if (message === undefined && answer === undefined) {
    throw wrongKind("ping", "given a 'message', an 'answer' or both", ping);
  }
  if (message === undefined && isPong !== undefined) {
    throw new TypeError(
      "Cannot use 'ping.isPong' without 'ping.message': no ping of ours, no pong",
    );
  }
  return Object.freeze({ message, isPong, answer });
}

/** Close codes (RFC 6455, section 7.4), or a function that knows them. */
export function checkFatalCloseCodes(
  codes: NonNullable<WSConfig["fatalCloseCodes"]>,
): NonNullable<WSConfig["fatalCloseCodes"]> {
  if (typeof codes === "function") return codes;
  if (!Array.isArray(codes)) {
    const rule = "a list of close codes or a function";
    throw wrongKind("fatalCloseCodes", rule, codes);
  }
  return Object.freeze(
    codes.map((code) => number("fatalCloseCodes", code, CLOSE_CODE)),
  );
}

/** What to send again; `window` is the default of the ledger's. */
export function checkRedelivery(
  redeliver: Redelivery,
  window: number,
): Redelivery {
  if (typeof redeliver === "string") {
    return oneOf("redeliver", redeliver, ["unflushed", "none"]);
  }
  onlyKnownKeys("redeliver", redeliver, ["id", "acknowledged", "window"]);
  const { id, acknowledged, window: size = window } = redeliver;
  return Object.freeze({
    id: callable("redeliver.id", id),
    acknowledged: callable("redeliver.acknowledged", acknowledged),
    window: number("redeliver.window", size, COUNT),
  });
}

/** Checks what to do when a reader's buffer is full. */
export function checkReceiveOverflow(
  key: string,
  overflow: ReceiveOverflow,
): ReceiveOverflow {
  if (typeof overflow === "string") {
    return oneOf(key, overflow, ["disconnect", "drop-oldest", "drop-newest"]);
  }
  onlyKnownKeys(key, overflow, ["conflate"]);
  const { conflate }: Conflation = overflow;
  return Object.freeze({ conflate: callable(`${key}.conflate`, conflate) });
}

/**
 * From flags to the configuration of a client, and to the permissions it needs.
 *
 * @module
 */

import type { PingConfig, TlsConfig, WSConfig } from "../../../mod.ts";
import {
  environmentVariable,
  fileNeeds,
  type Need,
  netNeed,
  urlNeeds,
} from "../permissions.ts";
import { readFlagText, textOf } from "./flag_files.ts";
import type { Flags } from "./flags.ts";
import { type HeaderFlag, matches, parseHeader, UsageError } from "./values.ts";

/** A program with nothing left to do must not keep its user waiting. */
const CLOSE_TIMEOUT = 1_000;

/** How often to send a ping, in milliseconds. */
const PING_INTERVAL = 20_000;

/** The configuration of the handshake, which all dialing commands share. */
export function handshakeConfig(
  flags: Flags,
  urls: readonly string[],
): WSConfig {
  return {
    url: urls,
    headers: headersOf(flags),
    subprotocols: flags.subprotocol.length > 0 ? flags.subprotocol : undefined,
    transport: transportOf(flags, urls),
    tls: tlsOf(flags),
    proxy: proxyOf(flags),
    compression: flags.compress || undefined,
    connectTimeout: flags["connect-timeout"],
    closeTimeout: CLOSE_TIMEOUT,
    followRedirects: flags["follow-redirects"],
  };
}

/** The same, and how to stay connected. */
export function clientConfig(flags: Flags, urls: readonly string[]): WSConfig {
  const ping = pingOf(flags);
  const handshake = handshakeConfig(flags, urls);
  const pings = ping !== undefined || handshake.transport === "tcp";
  return {
    ...handshake,
    ping,
    pingInterval: pings ? flags["ping-interval"] ?? PING_INTERVAL : 0,
    pingTimeout: flags["ping-timeout"],
    idleTimeout: flags["idle-timeout"],
    staleTimeout: flags["stale-timeout"],
    maxConnectionAge: flags["max-connection-age"],
    reconnect: flags.reconnect,
    initialBackoff: Math.min(flags["initial-backoff"], flags["max-backoff"]),
    maxBackoff: flags["max-backoff"],
    backoffMultiplier: flags["backoff-multiplier"],
    jitter: flags.jitter,
    stableAfter: flags["stable-after"],
    maxRetries: flags["max-retries"],
    retryBudget: flags["retry-budget"],
    fatalCloseCodes: flags["fatal-close-codes"],
    overflow: flags.overflow,
    sendRate: flags["send-rate"],
    sendQueueMaxSize: flags["queue-max"],
    redeliver: flags.redeliver,
    spool: flags.spool,
  };
}

/**
 * The permissions that the flags and URLs need.
 * @throws {UsageError} a proxy that is none
 */
export function clientNeeds(flags: Flags, urls: readonly string[]): Need[] {
  const read = [
    flags["bearer-file"],
    flags["basic-auth-file"],
    ...flags.ca,
    flags.cert,
    flags.key,
    ...[
      ...flags.header,
      ...flags["on-open"],
      ...[flags.ping ?? [], flags.message ?? []].flat(),
    ].map((given) => "file" in given ? given.file : undefined),
  ].filter((path) => path !== undefined).filter((path) => path !== "-");
  const { spool } = flags;
  const proxy = proxyOf(flags);
  return [
    ...urls.flatMap(urlNeeds),
    ...(proxy === undefined ? [] : [netNeed(proxy.href)]),
    ...read.map((path): Need => ({ kind: "read", path })),
    ...(spool === undefined ? [] : fileNeeds(spool)),
  ];
}

/**
 * Files are read for each attempt, so that a token that was renewed counts;
 * and once now, so that a wrong one is an error before anything starts.
 */
function headersOf(flags: Flags): WSConfig["headers"] {
  const provide = () => headerListOf(flags);
  const headers = provide();
  const usesFiles = flags["bearer-file"] !== undefined ||
    flags["basic-auth-file"] !== undefined ||
    flags.header.some((given) => "file" in given);
  if (usesFiles) return provide;
  return headers.length > 0 ? headers : undefined;
}

/**
 * The headers, as they are now.
 * @throws {UsageError} a file that cannot be read or holds something else
 */
export function headerListOf(flags: Flags): [string, string][] {
  return flags.header.flatMap(headerPairs).concat(auth(flags));
}

function headerPairs(given: HeaderFlag): [string, string][] {
  if (!("file" in given)) return [[given.name, given.value]];
  return readFlagText("--header", given.file)
    .split(/\r?\n/)
    .flatMap((line, i): [string, string][] => {
      if (line.trim() === "") return [];
      try {
        const { name, value } = parseHeader(line);
        return [[name, value]];
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        // The line may hold a secret: only its number is shown.
        throw new UsageError(
          `--header ${error.message} (line ${i + 1} of ${given.file})`,
        );
      }
    });
}

function auth(flags: Flags): [string, string][] {
  const { "bearer-file": bearer, "basic-auth-file": basic } = flags;
  if (bearer !== undefined && basic !== undefined) {
    throw new UsageError(
      "--bearer-file and --basic-auth-file cannot be used together",
    );
  }
  if (bearer !== undefined) {
    const token = secret("--bearer-file", bearer, /^[\x21-\x7e]+$/, "a token");
    return [["authorization", `Bearer ${token}`]];
  }
  if (basic !== undefined) {
    const rule = "USER:PASSWORD";
    const pair = secret("--basic-auth-file", basic, /^[^:\n]*:[^\n]*$/, rule);
    const encoded = new TextEncoder().encode(pair).toBase64();
    return [["authorization", `Basic ${encoded}`]];
  }
  return [];
}

function secret(flag: string, path: string, form: RegExp, rule: string) {
  const text = readFlagText(flag, path).trim();
  if (form.test(text)) return text;
  throw new UsageError(
    `${flag} must hold ${rule} on one line: ${path} does not`,
  );
}

/**
 * The certificates.
 * @throws {UsageError} a file that cannot be read or holds no PEM text, one of
 * two that need each other, or two that do not belong together
 */
export function tlsOf(flags: Flags): TlsConfig | undefined {
  const { ca, cert, key, insecure, "server-name": serverName } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--cert and --key need each other");
  }
  const isPlain = ca.length === 0 && cert === undefined && !insecure &&
    serverName === undefined;
  if (isPlain) return undefined;
  const tls = {
    serverName,
    insecure: insecure || undefined,
    caCerts: ca.map((path) => readPem("--ca", path)),
    cert: cert === undefined ? undefined : readPem("--cert", cert),
    key: key === undefined ? undefined : readPem("--key", key),
  };
  if (tls.cert !== undefined && tls.key !== undefined) {
    checkPair(tls.cert, tls.key);
  }
  return tls;
}

/** The client would refuse other text too, but does not know the file. */
function readPem(flag: string, path: string): string {
  const text = readFlagText(flag, path);
  if (text.includes("-----BEGIN ")) return text;
  throw new UsageError(
    `${flag} must hold PEM text ("-----BEGIN ..."): ${path} does not`,
  );
}

/**
 * Deno 2.6 panics at a key of another certificate. The module is loaded only
 * here, because it takes as long to load as the rest of the program.
 */
function checkPair(cert: string, key: string): void {
  const { createPublicKey, X509Certificate } = globalThis.process
    .getBuiltinModule("node:crypto");
  let keys: readonly (string | Uint8Array)[];
  try {
    keys = [new X509Certificate(cert).publicKey, createPublicKey(key)]
      .map((half) => half.export({ type: "spki", format: "pem" }));
  } catch {
    // The client and the server report text that they cannot read.
    return;
  }
  if (keys[0] !== keys[1]) {
    throw new UsageError("--key does not belong to --cert");
  }
}

/** @throws {UsageError} a flag that the chosen transport does not have */
function transportOf(
  flags: Flags,
  urls: readonly string[],
): "tcp" | undefined {
  const { ping, "ping-interval": pingInterval = 0 } = flags;
  const sendsPings = pingInterval > 0 && ping === undefined;
  const reasons = [
    sendsPings ? "--ping-interval without --ping" : [],
    flags.insecure ? "--insecure" : [],
    flags.compress ? "--compress" : [],
    flags["server-name"] === undefined ? [] : "--server-name",
    urls.some((url) => url.startsWith("ws+unix:")) ? "a ws+unix: URL" : [],
  ].flat();
  if (flags.transport === "native" && reasons.length > 0) {
    throw new UsageError(`${reasons[0]} needs --transport tcp`);
  }
  if (flags.transport === undefined && hasHttpProxy(flags)) return "tcp";
  return flags.transport === "tcp" || reasons.length > 0 ? "tcp" : undefined;
}

/**
 * Deno's WebSocket asks an HTTP proxy for `ws://` as if it were a page, and for
 * `wss://` hides the proxy's answer, such as 407.
 */
function hasHttpProxy(flags: Flags): boolean {
  return proxyOf(flags)?.protocol.startsWith("http") === true;
}

/**
 * The proxy.
 * @throws {UsageError} a URL of another scheme, or none
 */
export function proxyOf({ proxy }: Flags): URL | undefined {
  if (proxy === undefined) return undefined;
  // The proxy resolves the name in any case, which is what socks5h asks for.
  const url = URL.parse(proxy.replace(/^socks5h:/i, "socks5:"));
  if (url !== null && /^(https?|socks5):$/.test(url.protocol)) return url;
  // Not shown: it may hold a password.
  throw new UsageError("--proxy must be an http://, https:// or socks5:// URL");
}

/**
 * A hint for a failure to connect when the environment names a proxy, which the
 * native transport obeys.
 */
export function proxyHint(
  flags: Flags,
  urls: readonly string[],
): string | undefined {
  const found = environmentProxy(flags, urls);
  if (found === undefined) return undefined;
  return `${found.description} is in the way; ` +
    `NO_PROXY=${found.hostname} or --transport tcp avoids it`;
}

/**
 * The proxy of the environment that a run would use for one of these URLs. It
 * can be read only with --allow-env.
 */
export function environmentProxy(
  flags: Flags,
  urls: readonly string[],
): EnvironmentProxy | undefined {
  if (flags.proxy !== undefined) return undefined;
  if (transportOf(flags, urls) === "tcp") return undefined;
  for (const url of urls.map((url) => new URL(url))) {
    if (isExempt(url.hostname)) continue;
    const scheme = url.protocol === "wss:" ? "HTTPS" : "HTTP";
    const name = [`${scheme}_PROXY`, "ALL_PROXY"]
      .flatMap((name) => [name, name.toLowerCase()])
      .find((name) => environmentVariable(name) !== undefined);
    if (name === undefined) continue;
    // Without a scheme the host is taken for one, and is not shown.
    const host = URL.parse(environmentVariable(name) ?? "")?.host ?? "";
    const shown = host === "" ? "" : ` (${host})`;
    return {
      description: `the proxy that ${name} names${shown}`,
      hostname: url.hostname,
    };
  }
  return undefined;
}

/** A proxy that the environment names. */
export interface EnvironmentProxy {
  /** `the proxy that HTTP_PROXY names (127.0.0.1:3128)`. */
  readonly description: string;
  /** The host of the URL that it is used for. */
  readonly hostname: string;
}

function isExempt(hostname: string): boolean {
  const exempt = environmentVariable("NO_PROXY") ??
    environmentVariable("no_proxy") ?? "";
  // To the runtime a * stands for every name, but for no address.
  const isAddress = /^[\d.]+$|^\[/.test(hostname);
  return exempt.split(",").map((part) => part.trim().replace(/^\*?\./, ""))
    .some((part) =>
      part === "*" ? !isAddress : part !== "" &&
        (hostname === part || hostname.endsWith(`.${part}`))
    );
}

function pingOf(flags: Flags): PingConfig | undefined {
  const { ping, pong } = flags;
  if (ping === undefined) {
    if (pong !== undefined) throw new UsageError("--pong needs --ping");
    return undefined;
  }
  return {
    message: textOf("--ping", ping),
    isPong: pong === undefined ? undefined : (data) => matches(pong, data),
  };
}

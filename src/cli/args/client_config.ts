/**
 * From flags to the configuration of a client, and to what it must be allowed.
 *
 * @module
 */

import type { PingConfig, TlsConfig, WSConfig } from "../../../mod.ts";
import { fileNeeds, type Need, netNeed } from "../permissions.ts";
import { matches } from "../run/connect_steps.ts";
import type { Flags } from "./flags.ts";
import {
  type HeaderFlag,
  headerLine,
  type TextOrFile,
  UsageError,
} from "./values.ts";

/** What all dialling commands share: where to, who we are, whom we trust. */
export function handshakeConfig(
  flags: Flags,
  urls: readonly string[],
): WSConfig {
  return {
    url: urls,
    headers: headersOf(flags),
    subprotocols: flags.subprotocol.length > 0 ? flags.subprotocol : undefined,
    tls: tlsOf(flags),
    proxy: proxyOf(flags.proxy),
    connectTimeout: flags["connect-timeout"],
    followRedirects: flags["follow-redirects"],
  };
}

/** The same, and how to stay connected. */
export function clientConfig(flags: Flags, urls: readonly string[]): WSConfig {
  const ping = pingOf(flags);
  return {
    ...handshakeConfig(flags, urls),
    ping,
    pingInterval: ping === undefined ? 0 : flags["ping-interval"],
    pingTimeout: flags["ping-timeout"],
    idleTimeout: flags["idle-timeout"],
    maxConnectionAge: flags["max-connection-age"],
    reconnect: flags.reconnect,
    initialBackoff: Math.min(flags["initial-backoff"], flags["max-backoff"]),
    maxBackoff: flags["max-backoff"],
    maxRetries: flags["max-retries"],
    fatalCloseCodes: flags["fatal-close-codes"],
    overflow: flags.overflow,
    sendQueueMaxSize: flags["queue-max"],
    redeliver: flags.redeliver,
    spool: flags.spool,
  };
}

/**
 * What the flags and URLs must be allowed.
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
  ].filter((path) => path !== undefined);
  const { spool } = flags;
  const proxy = proxyOf(flags.proxy);
  return [
    ...urls.map(netNeed),
    ...(proxy === undefined ? [] : [netNeed(proxy)]),
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
        const { name, value } = headerLine(line);
        return [[name, value]];
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        // The line may hold a secret: only its number is shown.
        throw new UsageError(
          `--header ${error.message}: line ${i + 1} of ${given.file} is not`,
        );
      }
    });
}

function auth(flags: Flags): [string, string][] {
  const { "bearer-file": bearer, "basic-auth-file": basic } = flags;
  if (bearer !== undefined && basic !== undefined) {
    throw new UsageError(
      "--bearer-file and --basic-auth-file exclude one another",
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
 * @throws {UsageError} a file that cannot be read, one of two that need another
 */
export function tlsOf({ ca, cert, key }: Flags): TlsConfig | undefined {
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--cert and --key need each other");
  }
  if (ca.length === 0 && cert === undefined) return undefined;
  return {
    caCerts: ca.map((path) => readFlagText("--ca", path)),
    cert: cert === undefined ? undefined : readFlagText("--cert", cert),
    key: key === undefined ? undefined : readFlagText("--key", key),
  };
}

function proxyOf(given: string | undefined): string | undefined {
  // The proxy resolves the name in any case, which is what socks5h asks for.
  const proxy = given?.replace(/^socks5h:/i, "socks5:");
  const schemes = /^(https?|socks5):\/\//i;
  if (proxy === undefined || schemes.test(proxy) && URL.canParse(proxy)) {
    return proxy;
  }
  // Not shown: it may hold a password.
  throw new UsageError("--proxy must be an http://, https:// or socks5:// URL");
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

/**
 * The bytes of a file.
 * @throws {UsageError} when it cannot be read
 */
export function readFlagFile(
  flag: string,
  path: string,
): Uint8Array<ArrayBuffer> {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${flag} cannot be read from ${path}: ${why}`);
  }
}

/**
 * The text of a file without the newline at its end, which editors put there
 * and nobody means.
 * @throws {UsageError} when it cannot be read or is not UTF-8
 */
export function readFlagText(flag: string, path: string): string {
  const bytes = readFlagFile(flag, path);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.replace(/\r?\n$/, "");
  } catch {
    throw new UsageError(`${flag} must be UTF-8 text: ${path} is not`);
  }
}

/** The text, or the text of the file. */
export function textOf(flag: string, given: TextOrFile): string {
  return "text" in given ? given.text : readFlagText(flag, given.file);
}

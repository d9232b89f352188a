/**
 * The module's messages in the words of the command line.
 *
 * @module
 */

import { FLAGS } from "./flags.ts";
import { UsageError } from "./values.ts";

/** The flags of the options that have another name. */
const OPTION_FLAGS: Readonly<Record<string, string>> = {
  "compression": "--compress",
  "headers": "--header",
  "ping.isPong": "--pong",
  "ping.message": "--ping",
  "reconnect": "--no-reconnect",
  "sendQueueMaxSize": "--queue-max",
  "sendRate.interval": "--send-rate",
  "subprotocols": "--subprotocol",
  "tls": "--ca, --cert, --key",
  "tls.caCerts": "--ca",
  "url": "URL",
};

/** `idleTimeout` as `--idle-timeout`; undefined if there is no such flag. */
function flagOf(option: string): string | undefined {
  const name = option.replace(/^tls\./, "")
    .replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return OPTION_FLAGS[option] ??
    (Object.hasOwn(FLAGS, name) ? `--${name}` : undefined);
}

/** A message of the module in which flags stand for its options. */
export function inFlags(message: string): string {
  return message
    // The flags' own functions name their flag.
    .replace(/a function of the configuration threw \('?\w+'?: (.*)\)$/s, "$1")
    .replace(/\btransport: "(\w+)"|\btransport "(\w+)"/g, "--transport $1$2")
    .replace(/^decode threw: /, "--decompress failed for a message: ")
    .replace(
      /onConnect did not settle within (\d+ ms)/,
      "No message matched --await within $1 (--connect-timeout)",
    )
    .replace(
      /before onConnect settled: more than .*/,
      "before one matched --await: more than can be kept",
    )
    .replace(/as sendQueueMaxBytes is (\d+)/, "as the queue holds $1 at most")
    .replace(
      /a number of milliseconds .* 2147483647: current value is \d+$/,
      "at most 24 days",
    )
    .replace(/'([\w.]+)'/g, (quoted, option) => flagOf(option) ?? quoted)
    .replace(
      /^Cannot use --header as it must be without .*: current value is "(.+)"$/,
      (_, name) =>
        name === "sec-websocket-protocol"
          ? `--header cannot set ${name}: use --subprotocol`
          : `--header cannot set ${name}: the handshake sets it`,
    )
    .replace(
      /^Cannot use (--[\w-]+) as it must be (.*?)(?:: current value is (.*))?$/,
      (_, flag, rule, value) =>
        `${flag} must be ${rule}${value === undefined ? "" : `: got ${value}`}`,
    );
}

/**
 * Creates a client.
 * @throws {UsageError} a configuration that the client does not take
 */
export function withUsageErrors<T>(create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) {
      throw error;
    }
    throw new UsageError(inFlags(error.message));
  }
}

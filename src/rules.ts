/**
 * Rules for the values that a program passes in. Each returns the checked value
 * or throws a `TypeError` (wrong kind) or `RangeError` (wrong number) that names
 * the key, the rule and the value, unless the value may be a secret.
 *
 * @module
 */

import { LONGEST_TIMER } from "./clock.ts";
import type { TransportName } from "./config.ts";
import { redactUrl } from "./errors.ts";
import { byteLength } from "./message.ts";

// What the errors say -----------------------------------------------------------

/** How a rejected value is shown: short, on one line, functions by their name. */
export function show(value: unknown): string {
  const text = typeof value === "string"
    ? JSON.stringify(value)
    : Deno.inspect(value, { depth: 1, compact: true, breakLength: Infinity })
      .replace(/\s+/g, " ");
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** What kind of value it is, where the value itself may be a secret. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = builtInClass(value);
  return name === undefined ? "an object" : `an object of the class ${name}`;
}

/** The name of the runtime's own class that made the object, if one has. */
function builtInClass(value: object): string | undefined {
  const name = Object.prototype.toString.call(value).slice(8, -1);
  if (name === "Object") return undefined;
  const made: unknown = Reflect.get(globalThis, name);
  return typeof made === "function" && value instanceof made ? name : undefined;
}

/** The error for a value of the wrong kind. */
export function wrongKind(
  key: string,
  rule: string,
  value: unknown,
): TypeError {
  return new TypeError(refusal(key, rule, show(value)));
}

/** The error for a value that is not a message. */
export function noMessage(key: string, value: unknown): TypeError {
  const rule = value instanceof Uint8Array
    ? "a Uint8Array that is not detached"
    : "a string or a Uint8Array";
  return wrongSecret(key, rule, value);
}

/** As {@linkcode wrongKind}, for a value that may be or hold a secret. */
export function wrongSecret(
  key: string,
  rule: string,
  value: unknown,
): TypeError {
  return new TypeError(refusal(key, rule, kindOf(value)));
}

/** The error for a value of the right kind that is outside its limits. */
function outOfRange(key: string, rule: string, shown: string): RangeError {
  return new RangeError(refusal(key, rule, shown));
}

function refusal(key: string, rule: string, shown: string): string {
  return `Cannot use '${key}' as it must be ${rule}: current value is ${shown}`;
}

// Numbers -----------------------------------------------------------------------

/** The limits of a number. */
export interface NumberRule {
  /** The least value allowed. */
  readonly min: number;
  /** The greatest value allowed. */
  readonly max?: number;
  /** Whether only values greater than `min` are allowed. */
  readonly above?: boolean;
  /** Whether the number is whole. */
  readonly integer?: boolean;
  /** Whether `Infinity` is allowed. */
  readonly infinity?: boolean;
  /** A number that is allowed besides. */
  readonly also?: number;
  /** The unit, for the error's text. */
  readonly unit?: string;
}

/** Milliseconds from 0, where 0 switches something off. */
export const DURATION: NumberRule = {
  min: 0,
  max: LONGEST_TIMER,
  unit: "milliseconds",
};

/** Milliseconds, more than 0. */
export const POSITIVE_DURATION: NumberRule = { ...DURATION, above: true };

/** A whole number from 1. */
export const COUNT: NumberRule = { min: 1, integer: true };

/** A whole number from 0. */
export const COUNT_OR_NONE: NumberRule = { min: 0, integer: true };

/**
 * The close codes that a program may use; the others belong to the protocol
 * (RFC 6455, section 7.4.2).
 */
const CLOSE_CODE: NumberRule = {
  min: 3000,
  max: 4999,
  integer: true,
  also: 1000,
};

/** A number within its limits. */
export function number(key: string, value: unknown, rule: NumberRule): number {
  if (typeof value !== "number") throw wrongKind(key, describe(rule), value);
  if (value === rule.also) return value;
  const inRange = value === Infinity
    ? rule.infinity === true
    : (rule.above ? value > rule.min : value >= rule.min) &&
      value <= (rule.max ?? Number.MAX_VALUE) &&
      (!rule.integer || Number.isInteger(value));
  if (!inRange) throw outOfRange(key, describe(rule), show(value));
  return value;
}

function describe(rule: NumberRule): string {
  const noun = rule.integer ? "a whole number" : "a number";
  const unit = rule.unit === undefined ? "" : ` of ${rule.unit}`;
  const from = rule.above ? `greater than ${rule.min}` : `from ${rule.min}`;
  const and = rule.above ? " and at most" : " to";
  const to = rule.max === undefined ? "" : `${and} ${rule.max}`;
  const also = rule.also === undefined ? "" : `${rule.also}, or `;
  const orMore = rule.infinity ? ", or Infinity" : "";
  return `${also}${noun}${unit} ${from}${to}${orMore}`;
}

// Other kinds -------------------------------------------------------------------

/** One of the texts listed. */
export function oneOf<const T extends string>(
  key: string,
  value: unknown,
  allowed: readonly T[],
): T {
  const found = allowed.find((text) => text === value);
  if (found === undefined) {
    throw wrongKind(
      key,
      allowed.map((text) => `"${text}"`).join(" or "),
      value,
    );
  }
  return found;
}

/** `true` or `false`. */
export function boolean(key: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw wrongKind(key, "true or false", value);
  return value;
}

/** A function; its arguments and results can only be checked in a call. */
export function callable<T>(key: string, value: T): T {
  if (typeof value !== "function") throw wrongKind(key, "a function", value);
  return value;
}

/** A string that is not empty. */
export function text(key: string, value: unknown): string {
  if (typeof value !== "string" || value === "") {
    throw wrongKind(key, "a string that is not empty", value);
  }
  return value;
}

/** An `AbortSignal`. */
export function abortSignal(key: string, value: unknown): AbortSignal {
  if (!(value instanceof AbortSignal)) {
    throw wrongKind(key, "an AbortSignal", value);
  }
  return value;
}

/**
 * An object, for options. One of the runtime's own classes has no keys, so an
 * `AbortSignal` or a `URL` in the wrong place would pass for no options.
 */
export function object<T>(name: string, value: T): T & object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrongSecret(name, "an object", value);
  }
  if (builtInClass(value) !== undefined) {
    throw wrongSecret(name, "an object with options", value);
  }
  return value;
}

/**
 * Refuses anything but an object with these keys: a misspelt option must not
 * become a silent default.
 */
export function onlyKnownKeys(
  name: string,
  value: unknown,
  known: readonly string[],
): void {
  for (const key of Object.keys(object(name, value))) {
    if (!known.includes(key)) {
      throw new TypeError(
        `Cannot use '${key}' in ${name} as there is no such option: ` +
          `known are ${known.join(", ")}`,
      );
    }
  }
}

// The closing handshake ---------------------------------------------------------

/** A close frame holds 125 bytes, and the code takes two (RFC 6455, 5.5). */
const REASON_MAX_BYTES = 123;

/** A close code that a program may use. */
export function closeCode(value: unknown): number {
  return number("code", value, CLOSE_CODE);
}

/** A reason that fits into a close frame. */
export function closeReason(value: unknown): string {
  if (typeof value !== "string") throw wrongKind("reason", "a string", value);
  const length = byteLength(value);
  if (length > REASON_MAX_BYTES) {
    const rule = `at most ${REASON_MAX_BYTES} bytes`;
    throw outOfRange("reason", rule, `${length} bytes`);
  }
  return value;
}

// The handshake -----------------------------------------------------------------

// These rules hold for the values of the configuration and for what its
// functions return.

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** RFC 9110, section 5.5; `Headers` itself lets control characters through. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The handshake sets these itself; the runtime would drop or double them. */
const OWN_HEADERS = new Set([
  "connection",
  "content-length",
  "host",
  "transfer-encoding",
  "upgrade",
]);

/**
 * A URL that can be dialled (RFC 6455, section 3), copied.
 * @throws {TypeError} not an absolute `ws://` or `wss://` URL, or with a
 * fragment or the port 0; `ws+unix:` without the tcp transport
 */
export function checkUrl(
  value: unknown,
  transport: TransportName = "native",
): URL {
  const schemes = transport === "tcp"
    ? "ws://, wss:// or ws+unix:"
    : "ws:// or wss://";
  if (typeof value !== "string" && !(value instanceof URL)) {
    throw wrongSecret("url", `a ${schemes} URL`, value);
  }
  const refuse = (rule: string) => wrongKind("url", rule, redactUrl(value));
  const url = URL.parse(String(value));
  if (url === null) throw refuse(`an absolute ${schemes} URL`);
  if (url.protocol === "ws+unix:") {
    if (transport !== "tcp") {
      throw refuse(
        'a ws:// or wss:// URL: ws+unix: needs the option transport "tcp"',
      );
    }
    if (url.host !== "" || !/^\/[^:]/.test(url.pathname)) {
      throw refuse("ws+unix:/path/to/socket, or with :/path behind it");
    }
  } else if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw refuse(`a ${schemes} URL`);
  }
  if (url.port === "0") throw refuse("with a port from 1 to 65535");
  if (url.href.includes("#")) throw refuse("without a fragment ('#')");
  return url;
}

/**
 * Additional headers of a handshake, copied. A value that is `undefined` counts
 * as absent.
 * @throws {TypeError} no headers, or one that the handshake sets itself
 */
export function checkHeaders(value: unknown): Headers {
  const headers = toHeaders(value);
  for (const [name, text] of headers) {
    // The value may be a secret: it is not shown.
    if (name === "sec-websocket-protocol") {
      throw wrongKind("headers", "without it: use 'subprotocols'", name);
    }
    if (OWN_HEADERS.has(name) || name.startsWith("sec-websocket-")) {
      throw wrongKind("headers", "without what the handshake sets", name);
    }
    if (!FIELD_VALUE.test(text)) {
      throw wrongKind("headers", "free of control characters", name);
    }
  }
  return headers;
}

function toHeaders(value: unknown): Headers {
  // A promise, for example, has no keys and would pass for no headers.
  if (
    typeof value !== "object" || value === null ||
    !isIterable(value) && builtInClass(value) !== undefined
  ) {
    throw wrongSecret("headers", "a Headers object, a record or pairs", value);
  }
  try {
    // The constructor is the check: it accepts what fetch() accepts, but it
    // would send an undefined value as the text "undefined".
    const pairs = isIterable(value)
      ? Array.from(value, toPair)
      : Object.entries(value);
    return new Headers(
      pairs.filter((pair) => pair[1] !== undefined)
        .map((pair) => pair.map(String)),
    );
  } catch {
    // The constructor's error shows the value, which may be a secret.
    const rule = "valid HTTP headers: names are tokens, values one line each";
    throw wrongSecret("headers", rule, value);
  }
}

function toPair(value: unknown): unknown[] {
  if (typeof value === "object" && value !== null && isIterable(value)) {
    const pair = [...value];
    if (pair.length === 2) return pair;
  }
  throw new TypeError("not a pair");
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value &&
    typeof value[Symbol.iterator] === "function";
}

/**
 * The subprotocols to offer (RFC 6455, section 4.1: tokens, all unique; the
 * runtime compares them without regard to case). They may carry a credential,
 * so the errors do not show them.
 * @throws {TypeError} not a token, or twice
 */
export function checkSubprotocols(value: unknown): readonly string[] {
  const offered: unknown[] = Array.isArray(value) ? [...value] : [value];
  const tokens = offered.map((entry) => {
    if (typeof entry === "string" && TOKEN.test(entry)) return entry;
    const rule = "a token or a list of tokens (RFC 6455, section 4.1)";
    throw wrongSecret("subprotocols", rule, entry);
  });
  const distinct = new Set(tokens.map((token) => token.toLowerCase()));
  if (distinct.size < tokens.length) {
    throw wrongSecret("subprotocols", "without repetition", tokens);
  }
  return Object.freeze(tokens);
}

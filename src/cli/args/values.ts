/**
 * The values of flags. Each parser takes the text as it was typed and gives the
 * value, or throws a {@linkcode UsageError} with the rule that was broken;
 * `parse.ts` puts the flag's name in front and the text behind.
 *
 * @module
 */

/** The command line cannot be used as it is; exit code 2. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `500ms`, `10s`, `2m`, `1h`, `1d`, `1m30s`, or a plain 0: milliseconds. */
export function duration(text: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) {
    throw new UsageError("must be a duration such as 500ms, 10s, 2m or 1h");
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-z]+)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ""] ?? NaN);
  }
  return total;
}

/** A duration longer than 0. */
export function positiveDuration(text: string): number {
  const ms = duration(text);
  if (ms === 0) throw new UsageError("must be a duration longer than 0");
  return ms;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  k: 2 ** 10,
  kib: 2 ** 10,
  m: 2 ** 20,
  mib: 2 ** 20,
  g: 2 ** 30,
  gib: 2 ** 30,
};

/** `4096`, `64KiB`, `100MB`: bytes; `64K` is 64 KiB, too. */
export function size(text: string): number {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text) ?? [];
  const factor = SIZE_UNITS[unit.toLowerCase()];
  const bytes = Math.round(Number(amount) * (factor ?? NaN));
  if (!(bytes >= 1)) {
    throw new UsageError("must be a size of at least 1 byte such as 100MiB");
  }
  return bytes;
}

/** A whole number of at least `min`. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min) || !Number.isSafeInteger(value)) {
      throw new UsageError(`must be a whole number of at least ${min}`);
    }
    return value;
  };
}

/** A number from `min` to `max`. */
export function number(
  min: number,
  max: number = Infinity,
): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) {
      const range = max === Infinity
        ? `of at least ${min}`
        : `from ${min} to ${max}`;
      throw new UsageError(`must be a number ${range}`);
    }
    return value;
  };
}

/** At most this many messages in each interval. */
export interface Rate {
  readonly messages: number;
  /** In milliseconds. */
  readonly interval: number;
}

/** `5/s`, `100/m`, `10/500ms`. */
export function rate(text: string): Rate {
  const [, digits = "", time = ""] = /^(\d+)\/(.+)$/.exec(text) ?? [];
  const messages = Number(digits);
  const interval = UNIT_MS[time] ??
    (/^[\d.]+(ms|[smhd])$/.test(time) ? duration(time) : 0);
  if (!(messages >= 1 && interval >= 1)) {
    throw new UsageError("must be a rate such as 5/s, 100/m or 10/500ms");
  }
  return { messages, interval };
}

/** Any text that is not empty. */
export function text(text: string): string {
  return text;
}

/** A regular expression, searched for anywhere in a message. */
export function regex(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    // V8 repeats the expression: "Invalid regular expression: /(/: Why".
    const [, why = ""] = /.*\/\w*: (.*)$/s.exec(String(error)) ?? [];
    const told = why === "" ? "" : ` (${why.toLowerCase()})`;
    throw new UsageError(`must be a regular expression${told}`);
  }
}

const utf8 = new TextDecoder();

/** Whether a message matches; of a binary one, its bytes read as UTF-8. */
export function matches(pattern: RegExp, data: string | Uint8Array): boolean {
  return pattern.test(typeof data === "string" ? data : utf8.decode(data));
}

/** One of a few words. */
export function oneOf<const T extends string>(
  ...words: readonly T[]
): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) {
      throw new UsageError(`must be one of ${words.join(", ")}`);
    }
    return found;
  };
}

/** A text, or the file that holds it. */
export type TextOrFile =
  | { readonly text: string }
  | { readonly file: string };

/** `TEXT`, `@FILE`, or `@@TEXT` for a text that begins with `@`. */
export function textOrFile(text: string): TextOrFile {
  if (text.startsWith("@@")) return { text: text.slice(1) };
  if (!text.startsWith("@")) return { text };
  if (text === "@") throw new UsageError("must name a file after @");
  return { file: text.slice(1) };
}

/** A handshake header, or the file that holds some, one a line. */
export type HeaderFlag = Header | { readonly file: string };

/** One handshake header. */
export interface Header {
  readonly name: string;
  readonly value: string;
}

/** `NAME: VALUE` or `@FILE`. */
export function header(text: string): HeaderFlag {
  const given = textOrFile(text);
  return "file" in given ? given : parseHeader(given.text);
}

/** A token, as RFC 9110, section 5.6.2, defines it. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** `NAME: VALUE`, checked as RFC 9110, section 5, wants it. */
export function parseHeader(text: string): Header {
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(colon, 0)).trim();
  const value = text.slice(colon + 1).trim();
  if (!TOKEN.test(name)) {
    throw new UsageError("must have the form NAME: VALUE");
  }
  // deno-lint-ignore no-control-regex -- control characters are the point
  if (/[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]/.test(value)) {
    throw new UsageError(
      `must give a value without control characters, in Latin-1, to ${name}`,
    );
  }
  return { name, value };
}

/** The name of one subprotocol (RFC 6455, section 4.1). */
export function subprotocol(text: string): string {
  if (TOKEN.test(text)) return text;
  throw new UsageError(
    "must be one name without spaces and commas; repeat it to offer more",
  );
}

/** `4001,4100-4199`: close codes (RFC 6455, section 7.4) from 1000 to 4999. */
export function closeCodes(text: string): readonly number[] {
  return text.split(",").flatMap((part) => {
    const [, first, last = first] = /^(\d{4})(?:-(\d{4}))?$/.exec(part) ?? [];
    const from = Number(first);
    const to = Number(last);
    if (!(from >= 1000 && from <= to && to <= 4999)) {
      throw new UsageError(
        "must be close codes from 1000 to 4999 such as 4001,4100-4199",
      );
    }
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  0: "\0",
  "\\": "\\",
};

/** A text in which `\n`, `\r`, `\t`, `\0`, `\\` and `\xNN` are escapes. */
export function escapedText(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|.?)/gs, (_, escape: string) => {
    if (escape.length === 3) {
      return String.fromCharCode(parseInt(escape.slice(1), 16));
    }
    const character = ESCAPES[escape];
    if (character === undefined) {
      throw new UsageError(
        String.raw`must use only the escapes \n, \r, \t, \0, \\ and \xNN`,
      );
    }
    return character;
  });
}

/** A part of a message's format: a text, or a field. */
export type FormatPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "payload" | "length" | "time" | "url" };

const FORMAT_FIELDS: Readonly<
  Record<string, "payload" | "length" | "time" | "url">
> = { s: "payload", l: "length", t: "time", u: "url" };

/** A template such as `%t %s\n`. */
export function messageFormat(template: string): readonly FormatPart[] {
  return [...template.matchAll(/%(.?)|[^%]+/gs)].map(
    ([part, letter]): FormatPart => {
      if (letter === undefined) {
        return { kind: "text", text: escapedText(part) };
      }
      if (letter === "%") return { kind: "text", text: "%" };
      const kind = FORMAT_FIELDS[letter];
      if (kind !== undefined) return { kind };
      throw new UsageError("must use only %s, %l, %t, %u and %%");
    },
  );
}

/** The fields of an output file's name. */
const FILE_FIELDS = ["date", "hour", "minute", "host", "n"] as const;

/** One of them. */
export type FileField = typeof FILE_FIELDS[number];

/** The name of output files, such as `{date}/{hour}.log`. */
export function fileTemplate(template: string): string {
  for (const [, field = ""] of template.matchAll(/\{([^}]*)\}/g)) {
    if (FILE_FIELDS.some((name) => name === field)) continue;
    const fields = FILE_FIELDS.map((name) => `{${name}}`).join(" ");
    throw new UsageError(`must use only ${fields}, and not {${field}}`);
  }
  if (/[/\\]$/.test(template)) throw new UsageError("must name a file");
  return template;
}

/** A `ws://`, `wss://` or `ws+unix:` URL. */
export function webSocketUrl(text: string): string {
  const url = URL.parse(text);
  if (!/^(wss?:\/\/|ws\+unix:)/i.test(text)) {
    const guess = guessUrl(text);
    const hint = guess === undefined ? "" : ` (do you mean ${guess}?)`;
    throw new UsageError(
      `the URL must begin with ws:// or wss://: got ${shownUrl(text)}${hint}`,
    );
  }
  if (url === null) {
    throw new UsageError(
      `the URL must have a valid host and port: got ${shownUrl(text)}`,
    );
  }
  if (url.hash !== "") {
    // RFC 6455, section 3: fragment identifiers are meaningless here.
    throw new UsageError(
      "the URL must have no fragment (write %23 for a #): got " +
        shownUrl(text),
    );
  }
  return text;
}

/**
 * The one URL among the operands of a command.
 * @throws {UsageError} none, or more than one
 */
export function onlyUrl(command: string, operands: readonly string[]): string {
  const [url, ...more] = operands;
  if (url === undefined || more.length > 0) {
    throw new UsageError(`${command} takes one URL: got ${operands.length}`);
  }
  return webSocketUrl(url);
}

/** As it was typed, in quotes, without the parts that may be secret. */
function shownUrl(text: string): string {
  return JSON.stringify(redactUrl(text));
}

/**
 * A text that may be meant as a URL, without the parts that may be secret.
 * Everything before the last @ is hidden: a password may hold any character.
 */
export function redactUrl(text: string): string {
  return text
    .replace(/^(([a-z][a-z\d+.-]*:)?\/{1,2})?.*@/is, "$1***@")
    .replace(/\?[^#]*/s, "?***").replace(/#.*/s, "#***");
}

function guessUrl(text: string): string | undefined {
  const bare = text.replace(/^https?:\/\//, "");
  const scheme = /^(http:|localhost\b|127\.)/.test(text) ? "ws" : "wss";
  const guess = `${scheme}://${bare}`;
  return /^[\w.-]+(:\d+)?(\/[^?]*)?$/.test(bare) && URL.canParse(guess)
    ? guess
    : undefined;
}

/** Where a server listens. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** `HOST:PORT`, `[::1]:PORT`, `:PORT` or `PORT`; port 0 takes a free one. */
export function address(text: string): Address {
  const [, host = "", digits = ""] =
    /^(?:(?:(\[[0-9a-fA-F:.]+\]|[\w.-]+)?:)?(\d+))$/.exec(text) ?? [];
  const port = digits === "" ? NaN : Number(digits);
  if (!(port <= 65_535)) {
    throw new UsageError(
      "the address must be HOST:PORT, :PORT or PORT (0 to 65535): got " +
        shownUrl(text),
    );
  }
  const hostname = host.replace(/^\[|\]$/g, "");
  return { hostname: hostname === "" ? "127.0.0.1" : hostname, port };
}

/** `HOST:PORT` or `[::1]:PORT`. */
export function showAddress({ hostname, port }: Address): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** `10x`, `0.5`, or `max`: how many times as fast as it was. */
export function speed(text: string): number {
  if (text === "max") return Infinity;
  const [, digits] = /^(\d+(?:\.\d+)?)x?$/.exec(text) ?? [];
  const factor = Number(digits);
  if (!(factor > 0)) {
    throw new UsageError("must be a speed such as 1x, 10x, 0.5x or max");
  }
  return factor;
}

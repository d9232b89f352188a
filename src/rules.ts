/**
 * Rules for the values a program hands over. Each returns the value as its
 * type, or throws a `TypeError` (wrong kind) or `RangeError` (wrong number)
 * that names the key, the rule and the value.
 *
 * @module
 */

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
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The error for a value of the wrong kind. */
export function wrongKind(
  key: string,
  rule: string,
  value: unknown,
): TypeError {
  return new TypeError(refusal(key, rule, show(value)));
}

/** As {@linkcode wrongKind}, for a value that may be or hold a secret. */
export function wrongSecret(
  key: string,
  rule: string,
  value: unknown,
): TypeError {
  return new TypeError(refusal(key, rule, kindOf(value)));
}

function refusal(key: string, rule: string, shown: string): string {
  return `Cannot use '${key}' as it must be ${rule}: current value is ${shown}`;
}

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

/** Milliseconds from 0 on, where 0 switches something off. */
export const DURATION: NumberRule = { min: 0, unit: "milliseconds" };

/** Milliseconds, more than 0. */
export const POSITIVE_DURATION: NumberRule = { ...DURATION, above: true };

/** A whole number from 1 on. */
export const COUNT: NumberRule = { min: 1, integer: true };

/** A number within its limits. */
export function number(key: string, value: unknown, rule: NumberRule): number {
  if (typeof value !== "number") throw wrongKind(key, describe(rule), value);
  if (value === rule.also) return value;
  const inRange = (rule.above ? value > rule.min : value >= rule.min) &&
    value <= (rule.max ?? Infinity) &&
    (Number.isFinite(value) || rule.infinity === true) &&
    (!rule.integer || Number.isInteger(value) || value === Infinity);
  if (!inRange) throw new RangeError(refusal(key, describe(rule), show(value)));
  return value;
}

function describe(rule: NumberRule): string {
  const noun = rule.integer ? "a whole number" : "a number";
  const unit = rule.unit === undefined ? "" : ` of ${rule.unit}`;
  const from = rule.above ? `greater than ${rule.min}` : `from ${rule.min}`;
  const to = rule.max === undefined ? "" : ` to ${rule.max}`;
  const also = rule.also === undefined ? "" : `${rule.also}, or `;
  const orMore = rule.infinity ? ", or Infinity" : "";
  return `${also}${noun}${unit} ${from}${to}${orMore}`;
}

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

/** A function; what it takes and returns can only be seen when it is called. */
export function callable<T>(key: string, value: T): T {
  if (typeof value !== "function") throw wrongKind(key, "a function", value);
  return value;
}

/** A text that is not empty. */
export function text(key: string, value: unknown): string {
  if (typeof value !== "string" || value === "") {
    throw wrongKind(key, "a text that is not empty", value);
  }
  return value;
}

/**
 * Rejects what is no plain object, and keys that nobody reads: a misspelt
 * option must not be a silent default.
 */
export function onlyKnownKeys(
  name: string,
  value: unknown,
  known: readonly string[],
): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrongSecret(name, "an object", value);
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw new TypeError(
        `Cannot use '${key}' in ${name} as there is no such option: ` +
          `known are ${known.join(", ")}`,
      );
    }
  }
}

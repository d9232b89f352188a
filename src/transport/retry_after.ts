/**
 * The `Retry-After` header (RFC 9110, section 10.2.3).
 *
 * @module
 */

const SECONDS = /^\d+$/;

const DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
const LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const TIME = "\\d{2}:\\d{2}:\\d{2}";

/**
 * The three forms of an HTTP date (RFC 9110, section 5.6.7). `Date.parse` alone
 * would find a date in almost anything, "1.5" among it.
 */
const HTTP_DATES = [
  new RegExp(`^${DAY}, \\d{2} ${MONTH} \\d{4} ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, \\d{2}-${MONTH}-\\d{2} ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} [ \\d]\\d ${TIME} \\d{4}$`),
];

/**
 * How long the server asks to wait, in milliseconds from `now` (milliseconds
 * since the epoch); 0 for a date that is past, `undefined` for nonsense.
 */
export function parseRetryAfter(
  value: string | null,
  now: number,
): number | undefined {
  if (value === null) return undefined;
  if (SECONDS.test(value)) {
    return Math.min(Number(value) * 1000, Number.MAX_SAFE_INTEGER);
  }
  if (!HTTP_DATES.some((form) => form.test(value))) return undefined;
  // The third form, asctime's, is UTC without saying so.
  const date = Date.parse(value.endsWith("GMT") ? value : `${value} GMT`);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseRetryAfter } from "../../src/transport/classify.ts";

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);

const VALID: readonly (readonly [string, number])[] = [
  ["0", 0],
  ["7", 7_000],
  ["007", 7_000],
  ["31536000", 31_536_000_000],
  ["99999999999999999999", Number.MAX_SAFE_INTEGER],
  // The three forms of RFC 9110, section 5.6.7; each is one minute later.
  ["Sun, 06 Nov 1994 08:50:37 GMT", 60_000],
  ["Sunday, 06-Nov-94 08:50:37 GMT", 60_000],
  ["Sun Nov  6 08:50:37 1994", 60_000],
  ["Wed, 16 Nov 1994 08:49:37 GMT", 864_000_000],
  ["Wed Nov 16 08:49:37 1994", 864_000_000],
  // Past already.
  ["Sun, 06 Nov 1994 08:49:36 GMT", 0],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
];

for (const [value, wait] of VALID) {
  Deno.test(`Retry-After: ${value} is a wait of ${wait} ms`, () => {
    assertEquals(parseRetryAfter(value, NOW), wait);
  });
}

const NONSENSE = [
  "",
  "soon",
  "-5",
  "+5",
  "1.5",
  "1e3",
  "0x10",
  "7 s",
  "7, 8",
  "١٢",
  "1994-11-06",
  "1994-11-06T08:49:37Z",
  "06 Nov 1994 08:49:37 GMT",
  "Sun, 06 Nov 1994 08:49:37",
  "Sun, 06 Nov 1994 08:49:37 CET",
  "Sun, 06 Nov 1994 08:49:37 +0100",
  "Sun, 6 Nov 1994 08:49:37 GMT",
  "Sun, 06 November 1994 08:49:37 GMT",
  "Sun, 99 Nov 1994 08:49:37 GMT",
  "Sun, 06 Nov 1994 25:61:61 GMT",
  "sun, 06 nov 1994 08:49:37 gmt",
  "Sun, 06 Nov 1994 08:49:37 GMT, Mon, 07 Nov 1994 08:49:37 GMT",
];

for (const value of NONSENSE) {
  Deno.test(`Retry-After: ${JSON.stringify(value)} is nonsense`, () => {
    assertEquals(parseRetryAfter(value, NOW), undefined);
  });
}

Deno.test("without the header there is no wait", () => {
  assertEquals(parseRetryAfter(null, NOW), undefined);
});

Deno.test("every Retry-After is a finite wait of at least 0, or nonsense", () => {
  const seed = Date.now() >>> 0;
  console.log(`seed ${seed}`);
  const value = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(..."0123456789 ,:-GMTSunov") }),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  );
  fc.assert(
    fc.property(value, (value) => {
      const wait = parseRetryAfter(value, NOW);
      return wait === undefined || wait >= 0 && Number.isFinite(wait);
    }),
    { seed },
  );
});

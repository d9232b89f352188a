/**
 * Random texts for properties, made of what breaks things. (`fast-check` has
 * `unit: "binary"` too, but takes a second to set it up.)
 *
 * @module
 */

import fc from "fast-check";

const character = fc.oneof(
  { weight: 3, arbitrary: range(0x20, 0x7e) },
  { weight: 2, arbitrary: fc.constantFrom("\x1b", "\n", "\r", "\t", "\0") },
  { weight: 2, arbitrary: range(0x00, 0x9f) },
  { weight: 1, arbitrary: range(0x200b, 0x206f) },
  { weight: 1, arbitrary: range(0x3000, 0xd7ff) },
  { weight: 1, arbitrary: range(0x1f300, 0x1faff) },
);

/** Well-formed texts full of controls, wide characters and emoji. */
export const anyText: fc.Arbitrary<string> = fc.string({ unit: character });

/** The same, with halves of characters in it, which UTF-8 cannot carry. */
export const brokenText: fc.Arbitrary<string> = fc.string({
  unit: fc.oneof(character, range(0xd800, 0xdfff)),
});

function range(min: number, max: number): fc.Arbitrary<string> {
  return fc.integer({ min, max }).map((code) => String.fromCodePoint(code));
}

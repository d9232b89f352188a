import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { escapeControls, escapeLine } from "../../src/cli/escape.ts";
import { brokenText } from "../support/texts.ts";

/** Controls, what reorders a text, what ends a line, halves of characters. */
const OBEYED = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u;

Deno.test("nothing that drives a terminal survives, whatever the text", () => {
  fc.assert(fc.property(brokenText, (text) => {
    const shown = escapeControls(text).replaceAll(/[\t\n]/g, "");
    assertEquals(OBEYED.exec(shown), null);
  }));
});

Deno.test("each character that a terminal obeys is written out, no other one is touched", () => {
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    const kept = !OBEYED.test(character) || /[\t\n]/.test(character);
    if ((escapeControls(character) === character) !== kept) {
      throw new Error(`U+${code.toString(16)} should be kept: ${kept}`);
    }
  }
});

Deno.test("a line stays one line, whatever the text", () => {
  fc.assert(fc.property(brokenText, (text) => {
    assertEquals(OBEYED.exec(escapeLine(text)), null);
  }));
});

Deno.test("what was escaped can still be read", () => {
  const text = "\x1b[31m\r\x01\x9b\u061c\u202e\ud800 \ttab, 世界 🌍\nGrüße";
  assertEquals(
    escapeControls(text),
    String.raw`\x1b[31m\r\x01\x9b\u061c\u202e\ud800 ` + "\ttab, 世界 🌍\nGrüße",
  );
  assertEquals(escapeLine("a\tb\nc\r\nd"), String.raw`a\tb\nc\r\nd`);
});

import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import {
  displayMessage,
  type DisplayOptions,
} from "../../../src/cli/output/message_display.ts";
import { styleOf } from "../../../src/cli/style.ts";
import { brokenText } from "../../support/texts.ts";

const plain: DisplayOptions = {
  style: styleOf(false),
  width: 40,
  binary: undefined,
};

Deno.test("a text is shown with its controls written out", () => {
  assertEquals(displayMessage("a\tb\n\x1b[2J", plain), "a\tb\n\\x1b[2J");
});

Deno.test("JSON is set out for reading", () => {
  assertEquals(displayMessage('{"a":[1,2]}', plain), '{"a": [1, 2]}');
});

Deno.test("nothing in a text drives the terminal, not even in JSON", () => {
  fc.assert(fc.property(brokenText, fc.boolean(), (text, isJson) => {
    // Not escaped as JSON would be: what is sent need not be sound.
    const message = isJson ? `{"a": "${text}"}` : text;
    assertMatch(
      displayMessage(message, plain).replaceAll(/[\n\t]/g, ""),
      /^[^\p{Cc}\p{Bidi_Control}\p{Cs}]*$/u,
    );
  }));
});

Deno.test("of a binary message the size and the first bytes are shown", () => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i);
  assertEquals(displayMessage(bytes(0), plain), "[0 B] ");
  assertEquals(displayMessage(bytes(3), plain), "[3 B] 00 01 02");
  assertEquals(displayMessage(bytes(32), plain).endsWith(" 1e 1f"), true);
  assertEquals(
    displayMessage(bytes(5000), plain),
    "[5.0 kB] 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 " +
      "14 15 16 17 18 19 1a 1b 1c 1d 1e 1f ...",
  );
});

Deno.test("with --binary base64 or hex a binary message is shown whole", () => {
  const bytes = new Uint8Array(100).fill(0xff);
  assertEquals(
    displayMessage(bytes, { ...plain, binary: "hex" }),
    "ff".repeat(100),
  );
  assertEquals(
    displayMessage(bytes, { ...plain, binary: "base64" }),
    bytes.toBase64(),
  );
  assertMatch(displayMessage(bytes, { ...plain, binary: "raw" }), /\.\.\.$/);
});

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UsageError } from "../../../src/cli/args/values.ts";
import { encodeText } from "../../../src/cli/output/display.ts";
import {
  type BinaryForm,
  decoderOf,
  InputFormatError,
  messageOf,
} from "../../../src/cli/run/input.ts";
import { anyText } from "../../support/texts.ts";

const utf8 = new TextEncoder();

function refusal(form: BinaryForm, input: string | Uint8Array): string {
  const bytes = typeof input === "string" ? utf8.encode(input) : input;
  return assertThrows(() => decoderOf(form)(bytes), InputFormatError).message;
}

Deno.test("any text of the input is the message, byte order mark included", () => {
  const decode = decoderOf(undefined);
  assertEquals(decode(utf8.encode("\ufeffGrüße")), "\ufeffGrüße");
  fc.assert(fc.property(anyText, (text) => {
    assertEquals(decode(utf8.encode(text)), text);
  }));
});

Deno.test("raw bytes are the message", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    assertEquals(decoderOf("raw")(bytes), bytes);
  }));
});

Deno.test("what was written as base64 or hex is read as the same bytes", () => {
  const form = fc.constantFrom<"base64" | "hex">("base64", "hex");
  fc.assert(fc.property(fc.uint8Array(), form, (bytes, form) => {
    const line = utf8.encode(encodeText(form, bytes));
    assertEquals(decoderOf(form)(line), bytes);
  }));
});

Deno.test("bytes are written as base64 and as hex", () => {
  const bytes = Uint8Array.of(0xfb, 0xff, 0x00, 0x0a);
  assertEquals(encodeText("base64", bytes), "+/8ACg==");
  assertEquals(encodeText("hex", bytes), "fbff000a");
});

Deno.test("space in base64 and hex does not count: lines may end in CR, dumps have columns", () => {
  assertEquals(
    decoderOf("base64")(utf8.encode("+/8A Cg==\r")),
    Uint8Array.of(0xfb, 0xff, 0, 10),
  );
  assertEquals(
    decoderOf("hex")(utf8.encode("FB ff\t00 0A\r")),
    Uint8Array.of(0xfb, 0xff, 0, 10),
  );
});

Deno.test("input that is not in its form is refused with the form", () => {
  assertEquals(
    refusal(undefined, Uint8Array.of(0xff)),
    "the input must be UTF-8 text (--binary is for other bytes)",
  );
  assertEquals(
    refusal("base64", "no base64!"),
    'the input must be base64: got "no base64!"',
  );
  assertEquals(refusal("hex", "abc"), 'the input must be hex: got "abc"');
  assertEquals(refusal("hex", "0x41"), 'the input must be hex: got "0x41"');
  assertEquals(refusal("hex", Uint8Array.of(0xff)), "the input must be hex");
  assertEquals(
    refusal("hex", "z".repeat(1000)),
    `the input must be hex: got "${"z".repeat(40)}"`,
  );
});

Deno.test("a line that is refused spoils none that follows", () => {
  const decode = decoderOf(undefined);
  // The first two bytes of a character of three.
  assertThrows(() => decode(Uint8Array.of(0xe4, 0xb8)), InputFormatError);
  assertEquals(decode(utf8.encode("next")), "next");
});

Deno.test("whatever the input is, it is a message or refused as input", () => {
  const form = fc.constantFrom<BinaryForm>("raw", "base64", "hex", undefined);
  fc.assert(fc.property(fc.uint8Array(), form, (bytes, form) => {
    try {
      decoderOf(form)(bytes);
    } catch (error) {
      if (!(error instanceof InputFormatError)) throw error;
    }
  }));
});

Deno.test("a message given by a flag has the form of the input", () => {
  const given = { text: "4142" };
  assertEquals(messageOf("--on-open", given, undefined), "4142");
  assertEquals(messageOf("--on-open", given, "hex"), utf8.encode("AB"));
  assertEquals(messageOf("--on-open", given, "raw"), utf8.encode("4142"));
  assertEquals(
    messageOf("--on-open", { text: "QUI=" }, "base64"),
    utf8.encode("AB"),
  );
  assertThrows(
    () => messageOf("--on-open", { text: "a secret" }, "hex"),
    UsageError,
    "--on-open must be hex, as --binary says",
  );
});

Deno.test("a message given by a file is its text, or with raw its very bytes", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeFile(file, utf8.encode("4142\n"));
    assertEquals(messageOf("--on-open", { file }, undefined), "4142");
    assertEquals(messageOf("--on-open", { file }, "hex"), utf8.encode("AB"));
    assertEquals(
      messageOf("--on-open", { file }, "raw"),
      utf8.encode("4142\n"),
    );
  } finally {
    await Deno.remove(file);
  }
  assertThrows(
    () => messageOf("--on-open", { file }, "raw"),
    UsageError,
    `--on-open cannot be read from ${file}`,
  );
});
